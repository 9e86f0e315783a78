use std::path::{Path, PathBuf};

use larder::fuzzing as fuzz;

const CORPUS: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/fuzz/corpus");
type Target = (&'static str, fn(&[u8]));
const TARGETS: [Target; 5] = [
    ("classic_reply", fuzz::classic_reply),
    ("meta_reply", fuzz::meta_reply),
    ("packed", fuzz::packed),
    ("payload", fuzz::payload),
    ("record", fuzz::record),
];

fn entries(folder: &Path) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(folder).unwrap_or_else(|e| panic!("{}: {e}", folder.display()));
    let mut paths: Vec<_> = entries.map(|entry| entry.unwrap().path()).collect();
    paths.sort();
    paths
}

#[test]
fn every_corpus_has_its_target_and_every_target_its_corpus() {
    let folders = entries(Path::new(CORPUS));
    let names = folders
        .iter()
        .map(|folder| folder.file_name().unwrap().to_str().unwrap());
    assert_eq!(
        names.collect::<Vec<_>>(),
        TARGETS.map(|(target, _)| target).to_vec()
    );
    let programs = entries(&Path::new(CORPUS).with_file_name("fuzz_targets"));
    let names = programs
        .iter()
        .map(|program| program.file_stem().unwrap().to_str().unwrap());
    assert_eq!(
        names.collect::<Vec<_>>(),
        TARGETS.map(|(target, _)| target).to_vec()
    );
}

#[test]
fn what_the_fuzzers_were_given_breaks_nothing() {
    for (target, run) in TARGETS {
        let files = entries(&Path::new(CORPUS).join(target));
        assert!(!files.is_empty(), "{target} has no corpus");
        for file in files {
            let bytes = std::fs::read(&file).unwrap();
            if let Err(panic) = std::panic::catch_unwind(|| run(&bytes)) {
                eprintln!("while replaying {}", file.display());
                std::panic::resume_unwind(panic);
            }
        }
    }
}
