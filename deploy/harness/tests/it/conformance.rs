//! Both APIs against their own OpenAPI documents: schemathesis makes requests from them, good and
//! bad ones, and looks for a server error or an answer that the document does not tell of.

use std::{path::PathBuf, process::Command};

use agora_harness::{
    agora::{Commands, Session},
    scene,
    stack::{Service, Shape, Stack},
};

/// Where `deploy/test` has put schemathesis.
const SCHEMATHESIS: &str = "AGORA_SCHEMATHESIS";
/// Requests of each kind for each operation; the phase that covers each limit has its own number.
const EXAMPLES: &str = "5";
/// What an answer is held to. Of the others, those that follow links between operations know none
/// here, and those that judge authorization cannot know whose a thing is: tests of our own do.
const CHECKS: &str = "not_a_server_error,status_code_conformance,content_type_conformance,\
                      response_headers_conformance,response_schema_conformance,\
                      negative_data_rejection,missing_required_header,unsupported_method";
/// What would end the session that all requests are sent with.
const ENDS_THE_SESSION: &str = "^/v1/commands/(log-out|log-in|revoke-.*|change-password|reset-password|delete-.*account|.*account-deletion|confirm-email)$";

/// Streams that last: what they tell is not one document, and tests of their own read them.
const STREAMS: &str = "^/v1/live/";

/// An admin's requests come past the matrix to the limits of each field; of others', most end before
/// that, so that they have fewer.
const OF_AN_ADMIN: &str = "examples,coverage,fuzzing";
const OF_OTHERS: &str = "examples,fuzzing";

struct Run<'a> {
    address: &'a str,
    phases: &'static str,
    session: Option<&'a Session>,
    exclude: Option<&'static str>,
}

impl Run<'_> {
    fn schemathesis(&self) -> Result<(), String> {
        let program = std::env::var_os(SCHEMATHESIS)
            .map(PathBuf::from)
            .unwrap_or_else(|| panic!("set {SCHEMATHESIS}, or run deploy/test"));
        let mut command = Command::new(program);
        command
            .args(["--config-file", concat!(env!("CARGO_MANIFEST_DIR"), "/schemathesis.toml")])
            .args(["run", &format!("http://{}/openapi.json", self.address)])
            .args(["--checks", CHECKS, "--phases", self.phases])
            .args(["--max-examples", EXAMPLES, "--seed", "1", "--no-shrink", "--warnings", "off"])
            .args(["--request-timeout", "20", "--suppress-health-check", "all"])
            .env("NO_COLOR", "1")
            .current_dir(std::env::temp_dir());
        if let Some(session) = self.session {
            command.args(["-H", &format!("Authorization: Bearer {}", session.token)]);
        }
        if let Some(exclude) = self.exclude {
            command.args(["--exclude-path-regex", exclude]);
        }
        let output = command.output().expect("schemathesis runs");
        if output.status.success() {
            return Ok(());
        }
        Err(String::from_utf8_lossy(&output.stdout).into_owned())
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn faults_esx_05_no_request_gets_a_server_error_or_an_undocumented_answer() {
    let mut stack = Stack::start(Shape::default()).await.expect("the stack starts");
    let told = stack.as_scene();
    let mut admin = Commands::new(&told.command_addr);
    let admin_session =
        admin.log_in(&told.admin_email, &told.admin_password).await.expect("the admin logs in");
    let run = scene::run_suffix();
    let members = scene::members(&told, &run, 1, |_| None, || ()).await.expect("a member is there");
    let member = &members[0];
    let (commands, reads) = (stack.address(Service::CommandApi), stack.address(Service::ReadApi));
    let runs = [
        (
            "commands as an admin",
            commands,
            OF_AN_ADMIN,
            Some(&admin_session),
            Some(ENDS_THE_SESSION),
        ),
        ("commands as a member", commands, OF_OTHERS, Some(member), Some(ENDS_THE_SESSION)),
        ("commands as a guest", commands, OF_OTHERS, None, None),
        ("reads as an admin", reads, OF_AN_ADMIN, Some(&admin_session), Some(STREAMS)),
        ("reads as a member", reads, OF_OTHERS, Some(member), Some(STREAMS)),
        ("reads as a guest", reads, OF_OTHERS, None, Some(STREAMS)),
    ];
    // Both APIs at once: schemathesis computes in one thread, and mostly that is waited for.
    let found: Vec<String> = std::thread::scope(|scope| {
        let lanes = [commands, reads].map(|lane| {
            let runs = runs.iter().filter(move |(_, address, ..)| *address == lane);
            scope.spawn(move || {
                runs.filter_map(|&(what, address, phases, session, exclude)| {
                    let run = Run { address, phases, session, exclude };
                    run.schemathesis().err().map(|report| format!("── {what}\n{report}"))
                })
                .collect::<Vec<_>>()
            })
        });
        lanes.into_iter().flat_map(|lane| lane.join().expect("schemathesis runs")).collect()
    });
    assert!(found.is_empty(), "{}", found.join("\n"));
    stack.ready().await.expect("every service is still there");
    for (name, log) in stack.logs() {
        assert!(!log.contains("panicked"), "{name} tells of a panic");
    }
}
