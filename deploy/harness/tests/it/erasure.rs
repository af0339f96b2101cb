//! The erasure that counts: a person who is in every entity, and whose words, names and addresses are on no
//! disk and in no answer after it, nor after a backup from before it was restored.

mod answers;
mod person;
mod scan;

use std::{
    collections::BTreeMap,
    fs,
    path::{Path, PathBuf},
    process::Command,
    time::Duration,
};

use agora_harness::{
    agora::{Commands, Reads},
    stack,
};
use serde_json::{Value, json};
use sqlx::{Connection, Executor, PgConnection};
use tokio::time::{Instant, sleep};

use crate::installation::{Folder, Installation, said};
use answers::{Asker, Known, Sweep};
use person::Cast;
use scan::{Found, Scan};

const PATIENCE: Duration = Duration::from_secs(60);

impl Installation {
    async fn connect(&self) -> PgConnection {
        PgConnection::connect(&self.variable("DATABASE_URL")).await.unwrap()
    }

    async fn ask<T>(&self, statement: &str) -> T
    where
        T: Send + Unpin + for<'r> sqlx::Decode<'r, sqlx::Postgres> + sqlx::Type<sqlx::Postgres>,
    {
        sqlx::query_scalar(statement).fetch_one(&mut self.connect().await).await.unwrap()
    }

    /// Where the cluster's files are.
    fn cluster(&self) -> PathBuf {
        fs::read_to_string(self.home.join("postgres.path")).unwrap().trim().into()
    }

    /// Every file of Postgres, its write-ahead and other logs, of the broker, of mails and exports, of all
    /// that the services keep and log; those that hold something.
    fn holding(&self, scan: &Scan) -> BTreeMap<PathBuf, Found> {
        let (mut holding, cluster) = (scan.folder(&self.home), self.cluster());
        if !cluster.starts_with(&self.home) {
            holding.extend(scan.folder(&cluster));
        }
        holding
    }

    /// Runs a tool as an operator does who has read `.agora/env`.
    #[track_caller]
    fn tool(&self, name: &str, arguments: &[&str], urls: [(&str, &str); 2]) {
        let mut command = Command::new(stack::binaries().join(name));
        command.args(arguments).env("AGORA_HOME", &self.home);
        command.env("AGORA_MASTER_KEY_FILE", self.variable("AGORA_MASTER_KEY_FILE"));
        for (variable, named) in urls {
            command.env(variable, self.variable(named));
        }
        let output = command.output().unwrap();
        assert!(output.status.success(), "{name} {arguments:?}: {}", said(&output));
    }

    fn rebuild(&self, arguments: &[&str]) {
        let urls = [
            ("DATABASE_URL", "AGORA_PROJECTOR_URL"),
            ("AGORA_VAULT_URL", "AGORA_VAULT_SERVICE_URL"),
        ];
        self.tool("projectors", &[&["rebuild"], arguments].concat(), urls);
    }

    /// Until the search tables are written anew for all who asked.
    async fn settle_searches(&self) {
        let begun = Instant::now();
        while self.ask("SELECT EXISTS (SELECT FROM search.rewrites WHERE done_at IS NULL)").await {
            assert!(begun.elapsed() < PATIENCE, "the search tables are not written anew");
            sleep(Duration::from_millis(100)).await;
        }
    }

    async fn sweep(&self, scan: &Scan, cast: &Cast) -> answers::Swept {
        let streams: Vec<(String, String)> =
            sqlx::query_as("SELECT DISTINCT aggregate_type, aggregate_id FROM log.events")
                .fetch_all(&mut self.connect().await)
                .await
                .unwrap();
        let values = vec![
            ("name", cast.community.to_owned()),
            ("version_number", cast.policy.to_owned()),
            ("address", person::ADDRESS.to_owned()),
            ("address", person::ADDRESS_6.to_owned()),
            ("key", "max_post_length".to_owned()),
            ("q", person::OTHERS.replace('å', "%C3%A5")),
            ("user", cast.person.id.to_string()),
            ("type", "ANALYTICS".to_owned()),
            ("purpose", "search_analytics".to_owned()),
        ];
        let askers = [
            ("the admin", Some(&cast.admin)),
            ("the auditor", Some(&cast.auditor)),
            ("a member", Some(&cast.neighbour)),
            ("the person", Some(&cast.person)),
            ("nobody", None),
        ];
        let askers =
            askers.map(|(name, session)| Asker { name, token: session.map(|it| it.token.clone()) });
        let apis = [self.address(2), self.address(3)];
        Sweep { apis, known: Known { streams, values }, scan }.run(&askers).await
    }

    /// Has the person erased, with its backups, as far as `COMPLETED`.
    async fn erase_completely(&self, cast: &Cast) {
        let mut admin = Commands::new(&self.address(2));
        let request = self.ask_for_erasure(&cast.person, Some(person::DELAY)).await;
        admin.act_as(&cast.admin);
        let mut reads = Reads::new(&self.address(3));
        reads.act_as(&cast.admin);
        let (begun, mut said) = (Instant::now(), false);
        let row = loop {
            let row = reads.json(&format!("/v1/data-deletion-requests/{request}")).await.unwrap();
            if row["status"] == "COMPLETED" {
                break row;
            }
            assert!(begun.elapsed() < PATIENCE, "the erasure is {row}");
            // Whoever keeps backups says when those from before are removed.
            if row["backup_deletion_status"] == "IN_PROGRESS" && !said {
                let gone = json!({ "deletion_id": request, "backup_deletion_status": "COMPLETED" });
                admin.send("update-backup-erasure", &gone).await.unwrap();
                said = true;
            }
            sleep(Duration::from_millis(100)).await;
        };
        for step in row["processing_log"].as_array().unwrap() {
            assert_eq!((&step["result"], &step["code"]), (&json!("DONE"), &Value::Null), "{step}");
        }
    }

    /// A backup by Postgres' own tool: with the tables for searching, whose words stand in the clear.
    fn back_up_cluster(&self, folder: &Path) {
        let copied = Command::new(stack::tools().join("pg_basebackup"))
            .args(["--wal-method=stream", "--checkpoint=fast", "--no-password", "--pgdata"])
            .arg(folder)
            .args(["--dbname", &self.variable("DATABASE_URL")])
            .output()
            .unwrap();
        assert!(copied.status.success(), "{}", said(&copied));
    }

    /// Puts such a one in the place of a cluster that is down, as docs/backups.md has it done without the
    /// scripts.
    async fn restore_cluster(&self, folder: &Path) {
        let data = self.cluster().join("data");
        let before = self.home.join("before");
        fs::rename(&data, &before).unwrap();
        fs::rename(folder, &data).unwrap();
        let mut own = Command::new("chown");
        own.arg("-R").arg(format!("--reference={}", before.display())).arg(&data);
        assert!(own.status().unwrap().success());
        fs::remove_dir_all(&before).unwrap();
        self.starts_databases();
        let mut connection = self.connect().await;
        connection
            .execute("INSERT INTO log.restores (backup) VALUES ('a base backup')")
            .await
            .unwrap();
        let owner = [("DATABASE_URL", "DATABASE_URL"), ("AGORA_VAULT_URL", "AGORA_VAULT_URL")];
        self.tool("ledger", &["verify"], owner);
        self.tool("ledger", &["new-epoch", "--reason", "restored"], owner);
        let writer =
            [("DATABASE_URL", "AGORA_WRITER_URL"), ("AGORA_VAULT_URL", "AGORA_VAULT_SERVICE_URL")];
        self.tool("process-managers", &["reapply-erasures"], writer);
        self.rebuild(&["community_search", "post_search", "comment_search"]);
        self.tool("command-api", &["end-sessions"], writer);
        let finish =
            "UPDATE log.restores SET finished_at = clock_timestamp() WHERE finished_at IS NULL";
        connection.execute(finish).await.unwrap();
        drop(connection);
        fs::remove_dir_all(self.home.join("nats/jetstream")).unwrap();
    }
}

fn is_below(path: &Path, folder: &str) -> bool {
    path.components().any(|part| part.as_os_str() == folder)
}

/// Before an erasure words of the person's stand where they have to. If they were not found, the scan would
/// be worth nothing.
async fn control(here: &Installation, scan: &Scan) {
    for statement in ["ANALYZE read.post_search", "ANALYZE read.comment_search", "CHECKPOINT"] {
        here.connect().await.execute(statement).await.unwrap();
    }
    let holding = here.holding(scan);
    let found = |folder: &str, word: &str| {
        holding.iter().any(|(path, found)| is_below(path, folder) && found.contains(word))
    };
    for word in [person::TITLE_NOW, person::BODY_NOW, person::COMMENT_NOW] {
        assert!(found("base", word) && found("pg_wal", word), "the search tables hold no {word}");
        assert!(found("objects", word), "the export of everybody's texts holds no {word}");
    }
    for word in [person::EMAIL, person::EMAIL_NOW, person::LIFTING, person::REJECTION] {
        assert!(found("mail", word), "no mail holds {word}");
    }
    let statistics: String = here.ask("SELECT pg_relation_filepath('pg_statistic')").await;
    let statistics = &holding[&here.cluster().join("data").join(statistics)];
    assert!(statistics.contains(person::TITLE_NOW), "the planner knows no words");
}

fn nothing(holding: BTreeMap<PathBuf, Found>, when: &str) {
    let told: Vec<_> =
        holding.iter().map(|(path, found)| format!("{}: {found:?}", path.display())).collect();
    assert!(told.is_empty(), "{when}\n{}", told.join("\n"));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn ddr_14_ddr_15_ddr_16_an_erased_person_is_on_no_disk_and_in_no_answer_nor_after_a_restore()
{
    let folder = Folder::new();
    let (backups, physical) = (folder.join("backups"), folder.join("physical"));
    let mut here = Installation::new(&folder, "home");
    // So that the person's addresses are others than everybody's.
    here.settings.push(("AGORA_TRUSTED_PROXIES", "127.0.0.1".to_owned()));
    // They look twice a second.
    here.settings.push(("AGORA_ERASURE_CACHE_SECONDS", "2".to_owned()));
    here.succeeds("up", &[]);
    // What Postgres compresses is not found: images of pages by this, values of 2 kB by their size, which
    // none here has.
    for statement in ["ALTER SYSTEM SET wal_compression = off", "SELECT pg_reload_conf()"] {
        here.connect().await.execute(statement).await.unwrap();
    }
    let scan = Scan::of(person::ALL);
    let cast = Cast::assemble(&here).await;
    control(&here, &scan).await;
    let before = here.sweep(&scan, &cast).await;
    let missing: Vec<_> = person::ALL.iter().filter(|word| !before.found.contains(*word)).collect();
    assert_eq!(
        missing,
        [&person::DELAY],
        "all but what comes with the erasure is shown to somebody"
    );
    here.succeeds("backup", &[backups.to_str().unwrap()]);
    here.back_up_cluster(&physical);
    assert!(scan.folder(&physical).keys().any(|path| is_below(path, "base")));

    here.erase_completely(&cast).await;
    nothing(here.holding(&scan), "after the erasure");
    let after = here.sweep(&scan, &cast).await;
    assert!(after.holding.is_empty(), "{}", after.holding.join("\n"));
    let lost: Vec<_> = before.answered.difference(&after.answered).collect();
    assert!(after.answered.len() > 60, "few routes answer, and no more: {lost:?}");
    // Entry hashes verify, tables are what the log says.
    here.check();
    here.rebuild(&["--all", "--verify"]);
    here.settle_searches().await;
    here.succeeds("down", &[]);
    nothing(here.holding(&scan), "after every rebuild");

    here.succeeds("restore", &[backups.to_str().unwrap(), "--discard-newer"]);
    here.succeeds("up", &[]);
    here.settle_searches().await;
    assert!(here.has(cast.others_post).await, "it is the backup that is there");
    here.check();
    here.succeeds("down", &[]);
    nothing(here.holding(&scan), "after the restore");

    here.restore_cluster(&physical).await;
    here.succeeds("up", &[]);
    here.settle_searches().await;
    assert!(here.has(cast.others_post).await, "it is the backup that is there");
    here.check();
    here.succeeds("down", &[]);
    nothing(here.holding(&scan), "after a base backup was put back");
}
