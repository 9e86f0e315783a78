//! `make deploy` and `make check`: what is asked of the account, what a second deployment keeps,
//! and what is said of a cache that does not answer.

use std::io::{Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::process::{Command, Output};

use tempfile::TempDir;

use crate::site::Local;

const ROOT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/..");

/// What an account answers, on a port of its own.
struct Account {
    /// Its limit of concurrent executions.
    limit: u32,
    /// How many of them are reserved.
    reserved: u32,
    plan: &'static str,
    /// The status of the stack `larder`; `None` if there is no stack.
    stack: Option<&'static str>,
    /// The stack's parameter `Concurrency`.
    concurrency: u32,
    /// The stack's output `Url`.
    url: String,
}

impl Default for Account {
    fn default() -> Self {
        Self {
            limit: 1000,
            reserved: 0,
            plan: "PAID",
            stack: None,
            concurrency: 0,
            url: String::new(),
        }
    }
}

impl Account {
    /// Answers until the test ends, and returns where.
    fn listen(self) -> String {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        std::thread::spawn(move || {
            for stream in listener.incoming() {
                self.answer(stream.unwrap());
            }
        });
        format!("http://{address}")
    }

    fn answer(&self, mut stream: TcpStream) {
        let Some(question) = question(&mut stream) else {
            return;
        };
        let mut status = "200 OK";
        let body = if question.contains("/account-settings") {
            let (limit, unreserved) = (self.limit, self.limit - self.reserved);
            format!(
                r#"{{"AccountLimit": {{"ConcurrentExecutions": {limit}, "UnreservedConcurrentExecutions": {unreserved}}}}}"#
            )
        } else if question.contains("GetAccountPlanState") {
            format!(r#"{{"accountPlanType": "{}"}}"#, self.plan)
        } else if let Some(stack) = self.stack {
            assert!(question.contains("Action=DescribeStacks"), "{question}");
            format!(
                "<DescribeStacksResponse><DescribeStacksResult><Stacks><member><StackName>larder</StackName>\
                 <CreationTime>2026-01-01T00:00:00Z</CreationTime><StackStatus>{stack}</StackStatus>\
                 <Parameters><member><ParameterKey>Concurrency</ParameterKey><ParameterValue>{}</ParameterValue>\
                 </member></Parameters>\
                 <Outputs><member><OutputKey>Url</OutputKey><OutputValue>{}</OutputValue></member></Outputs>\
                 </member></Stacks></DescribeStacksResult></DescribeStacksResponse>",
                self.concurrency, self.url
            )
        } else {
            status = "400 Bad Request";
            "<ErrorResponse><Error><Code>ValidationError</Code><Message>Stack with id larder does not exist</Message></Error></ErrorResponse>".to_owned()
        };
        let length = body.len();
        let answer = format!(
            "HTTP/1.1 {status}\r\nContent-Length: {length}\r\nConnection: close\r\n\r\n{body}"
        );
        let _ = stream.write_all(answer.as_bytes());
    }
}

/// A whole request: its head, and the body that the head announces. `None` where the caller has
/// gone before it was whole: it asks again.
fn question(stream: &mut TcpStream) -> Option<String> {
    let mut bytes = Vec::new();
    loop {
        let mut part = [0; 4096];
        let count = stream.read(&mut part).unwrap_or_default();
        bytes.extend_from_slice(&part[..count]);
        let text = String::from_utf8_lossy(&bytes).into_owned();
        if let Some((head, body)) = text.split_once("\r\n\r\n") {
            let length = head
                .lines()
                .filter_map(|line| line.split_once(": "))
                .find(|(name, _)| name.eq_ignore_ascii_case("content-length"))
                .map_or(0, |(_, length)| length.parse().unwrap());
            if body.len() >= length {
                return Some(text);
            }
        }
        if count == 0 {
            return None;
        }
    }
}

fn add(path: &Path, script: &str) {
    std::fs::write(path, format!("#!/usr/bin/env bash\n{script}\n")).unwrap();
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o755)).unwrap();
}

/// A copy of the project with a SAM that only writes down how it was called, and saves what the
/// real one saves: with --guided the template's defaults, except for what is given on the command
/// line, or what was saved if nothing is given.
fn project() -> TempDir {
    let folder = tempfile::tempdir().unwrap();
    let root = folder.path();
    std::fs::create_dir_all(root.join(".venv/bin")).unwrap();
    std::fs::create_dir_all(root.join("functions/src/users")).unwrap();
    std::fs::create_dir(root.join("dev")).unwrap();
    for file in [
        "Cargo.toml",
        "template.yaml",
        "functions/src/users/rds-roots.pem",
        "dev/architecture.sh",
        "dev/check",
        "dev/deploy",
        "dev/rds-roots",
        "dev/stack",
    ] {
        std::fs::copy(Path::new(ROOT).join(file), root.join(file)).unwrap();
    }
    add(&root.join("dev/install"), "");
    add(&root.join(".venv/bin/rustc"), "echo /");
    add(&root.join(".venv/bin/cargo"), "");
    let python = Path::new(ROOT).join(".venv/bin/python");
    assert!(python.exists(), "dev/install lint brings boto3");
    add(
        &root.join(".venv/bin/python"),
        &format!("exec '{}' \"$@\"", python.display()),
    );
    add(
        &root.join(".venv/bin/sam"),
        r#"echo "$*" >>calls
all=$*
case "$all" in deploy*--guided*--parameter-overrides*)
  { echo '[default.deploy.parameters]'; echo 'stack_name = "larder"'
    echo "parameter_overrides = \"CacheMode=node ${all##*--parameter-overrides }\""; } >samconfig.toml ;;
esac"#,
    );
    folder
}

fn deploy(project: &TempDir, account: &str) -> Output {
    deploying(project, account).output().unwrap()
}

fn deploying(project: &TempDir, account: &str) -> Command {
    let mut deploy = Command::new("bash");
    deploy
        .arg("dev/deploy")
        .current_dir(project)
        .env("AWS_ENDPOINT_URL", account)
        .env("AWS_ACCESS_KEY_ID", "id")
        .env("AWS_SECRET_ACCESS_KEY", "key")
        // The one that OPERATIONS.md asks for, and boto3 does not read.
        .env("AWS_REGION", "us-east-1")
        .env_remove("AWS_DEFAULT_REGION")
        .env("AWS_CONFIG_FILE", "/dev/null")
        .env_remove("AWS_PROFILE")
        .env_remove("AWS_CA_BUNDLE")
        .env_remove("ARCH")
        .env_remove("ASK");
    deploy
}

fn text(project: &TempDir, file: &str) -> String {
    std::fs::read_to_string(project.path().join(file)).unwrap()
}

#[tokio::test]
async fn two_deployments_in_a_row_keep_every_setting() {
    let local = Local::start(&[("HEAVY_OP_MS", "1".to_owned())]).await;
    let account = Account {
        limit: 10,
        plan: "FREE",
        stack: Some("CREATE_COMPLETE"),
        url: format!("http://{}/", local.address),
        ..Account::default()
    };
    let account = account.listen();
    let project = project();
    let output = deploy(&project, &account);
    assert!(output.status.success(), "{output:?}");
    // What fits in the account is offered.
    let first = text(&project, "samconfig.toml");
    assert!(
        first.contains("Architecture=arm64 Release=0.1.0 Concurrency=0 BackupDays=1"),
        "{first}"
    );
    let chosen = first
        .replace("node", "serverless")
        .replace("arm64", "x86_64")
        .replace(
            "Release=0.1.0",
            "SigningKeySecret=\\\"\\\" Release=\\\"an older one\\\"",
        );
    std::fs::write(project.path().join("samconfig.toml"), &chosen).unwrap();

    let output = deploy(&project, &account);
    assert!(output.status.success(), "{output:?}");
    assert_eq!(text(&project, "samconfig.toml"), chosen);
    let calls = text(&project, "calls");
    let calls: Vec<_> = calls.lines().collect();
    assert_eq!(
        calls[2..],
        [
            "build --parameter-overrides Architecture=x86_64",
            "deploy --no-fail-on-empty-changeset --parameter-overrides CacheMode=\"serverless\" Architecture=\"x86_64\" \
             SigningKeySecret=\"\" Release=\"0.1.0\" Concurrency=\"0\" BackupDays=\"1\""
        ],
        "{calls:?}"
    );
    let said = String::from_utf8(output.stdout).unwrap();
    assert!(said.ends_with("the cache works\n"), "{said}");
}

/// With these settings in samconfig.toml.
fn configured(parameters: &str) -> TempDir {
    let project = project();
    let parameters = parameters.replace('"', "\\\"");
    std::fs::write(
        project.path().join("samconfig.toml"),
        format!("[default.deploy.parameters]\nstack_name = \"larder\"\nparameter_overrides = \"{parameters}\"\n"),
    )
    .unwrap();
    project
}

/// Whether `make deploy` went on to SAM, and what it said of the account.
fn begins(parameters: &str, account: Account) -> (bool, String) {
    let project = configured(parameters);
    let output = deploy(&project, &account.listen());
    let said = String::from_utf8(output.stderr).unwrap();
    (project.path().join("calls").exists(), said)
}

#[tokio::test]
async fn what_an_account_cannot_reserve_ends_a_deployment_before_it_begins() {
    let small = || Account {
        limit: 150,
        ..Account::default()
    };
    let (begun, said) = begins("Concurrency=\"17\"", small());
    assert!(
        !begun && said.contains("Concurrency=17 needs 153"),
        "{said}"
    );
    assert!(said.contains("set it to 16 at most"), "{said}");
    let (begun, said) = begins("Concurrency=\"16\"", small());
    assert!(begun, "{said}");
}

#[tokio::test]
async fn what_the_stack_itself_has_reserved_is_its_own_to_reserve_again() {
    let with = |stack| Account {
        limit: 162,
        reserved: 62,
        stack,
        concurrency: 20,
        ..Account::default()
    };
    let (begun, said) = begins("Concurrency=\"20\"", with(Some("UPDATE_COMPLETE")));
    assert!(begun && said.contains("62 this stack's"), "{said}");
    // Others have reserved them.
    let (begun, said) = begins("Concurrency=\"20\"", with(None));
    assert!(!begun && said.contains("set it to 0 at most"), "{said}");
}

/// Its functions are gone, and with them what they had reserved.
#[tokio::test]
async fn a_stack_that_was_never_whole_has_to_be_deleted_first() {
    for parameters in ["Concurrency=\"20\"", ""] {
        let account = Account {
            stack: Some("ROLLBACK_COMPLETE"),
            concurrency: 20,
            ..Account::default()
        };
        let (begun, said) = begins(parameters, account);
        assert!(!begun, "{said}");
        assert!(
            said.contains("ROLLBACK_COMPLETE") && said.contains("sam delete --stack-name larder"),
            "{said}"
        );
    }
}

#[tokio::test]
async fn the_free_plan_ends_a_deployment_only_with_settings_that_it_refuses() {
    let free = || Account {
        plan: "FREE",
        ..Account::default()
    };
    for (parameters, right) in [
        ("BackupDays=\"7\"", false),
        ("Concurrency=\"0\"", false), // the template's default is 7
        ("BackupDays=\"1\"", true),
        ("BackupDays=\"0\"", true),
    ] {
        let (begun, said) = begins(parameters, free());
        assert_eq!(begun, right, "{parameters}: {said}");
        assert_eq!(
            said.contains("set BackupDays=1"),
            !right,
            "{parameters}: {said}"
        );
    }
    let (begun, said) = begins("BackupDays=\"7\"", Account::default());
    assert!(begun, "{said}");
    // The settings are asked for, so what does not fit is only said.
    let project = configured("BackupDays=\"7\"");
    let output = deploying(&project, &free().listen())
        .env("ASK", "yes")
        .output()
        .unwrap();
    let said = String::from_utf8(output.stderr).unwrap();
    assert!(said.contains("set BackupDays=1"), "{said}");
    assert!(
        text(&project, "calls")
            .contains("--guided --parameter-overrides BackupDays=\"7\" Release=\"0.1.0\""),
        "{said}"
    );
}

/// SAM passes no `--locked` on to cargo.
#[tokio::test]
async fn a_lock_file_that_is_out_of_date_ends_a_deployment_before_it_begins() {
    let account = Account::default().listen();
    let project = project();
    add(
        &project.path().join(".venv/bin/cargo"),
        r#"case "$*" in *--locked*) echo "the lock file needs to be updated" >&2; exit 101 ;; esac"#,
    );
    let output = deploy(&project, &account);
    assert!(!output.status.success(), "{output:?}");
    let said = String::from_utf8(output.stderr).unwrap();
    assert!(said.contains("needs to be updated"), "{said}");
    assert!(!project.path().join("calls").exists());
}

fn check(url: &str) -> Output {
    let mut check = Command::new("dev/check");
    check.arg(url).current_dir(ROOT).output().unwrap()
}

#[tokio::test]
async fn a_check_wants_the_second_answer_from_the_cache() {
    let local = Local::start(&[("HEAVY_OP_MS", "1".to_owned())]).await;
    let output = check(&format!("http://{}", local.address));
    assert!(output.status.success(), "{output:?}");
    let said = String::from_utf8(output.stdout).unwrap();
    assert!(
        said.contains("larder; fwd=miss; stored\n") && said.contains("larder; hit; ttl="),
        "{said}"
    );
}

#[tokio::test]
async fn a_check_says_what_to_look_at_where_the_cache_does_not_answer() {
    for (variables, advice) in [
        (
            ("CACHE_URL", "memcached://127.0.0.1:1".to_owned()),
            "the cache refuses the connection",
        ),
        (
            ("CACHE_DISABLED", "true".to_owned()),
            "the cache is switched off",
        ),
    ] {
        let local = Local::start(&[variables, ("HEAVY_OP_MS", "1".to_owned())]).await;
        let output = check(&format!("http://{}", local.address));
        assert_eq!(output.status.code(), Some(1), "{output:?}");
        let said = String::from_utf8(output.stderr).unwrap();
        assert!(said.contains(advice), "{said}");
    }
    let nothing = check("http://127.0.0.1:1");
    let said = String::from_utf8(nothing.stderr).unwrap();
    assert!(said.contains("is not answered"), "{said}");
}

#[test]
fn the_certificates_of_a_region_are_added_to_the_functions_and_to_the_template() {
    let project = project();
    let roots = "functions/src/users/rds-roots.pem";
    let whole = text(&project, roots);
    let template = text(&project, "template.yaml");
    std::fs::write(project.path().join("bundle.pem"), &whole).unwrap();
    // Nothing of eu-west-3, which is the last one before il-central-1.
    let from = whole.find("# Amazon RDS eu-west-3 ").unwrap();
    let to = whole.find("# Amazon RDS il-central-1 ").unwrap();
    let without = format!("{}{}", &whole[..from], &whole[to..]);
    std::fs::write(project.path().join(roots), without).unwrap();
    let lesser = template.replace("eu-west-3, ", "");
    assert_ne!(lesser, template);
    std::fs::write(project.path().join("template.yaml"), lesser).unwrap();

    let mut add = Command::new("python3");
    add.args(["dev/rds-roots", "bundle.pem"])
        .current_dir(&project);
    let output = add.output().unwrap();
    assert!(output.status.success(), "{output:?}");
    assert_eq!(text(&project, roots), whole);
    assert_eq!(text(&project, "template.yaml"), template);

    let forged = whole.replacen("MOTVgr82", "MOTVgr83", 1);
    assert_ne!(forged, whole);
    std::fs::write(project.path().join("bundle.pem"), forged).unwrap();
    let output = add.output().unwrap();
    assert!(!output.status.success(), "{output:?}");
    assert_eq!(text(&project, roots), whole);
}
