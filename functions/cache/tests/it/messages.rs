/// Each message that a user of the attribute can get is beside its case in `tests/ui`.
/// `TRYBUILD=overwrite` writes them anew.
#[test]
fn every_mistake_has_a_message_that_names_the_mend() {
    trybuild::TestCases::new().compile_fail("tests/ui/*.rs");
}
