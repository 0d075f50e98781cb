//! SQLite fails under 32 clients: what can be read is read, and writes are refused or done.

use std::path::PathBuf;
use std::time::Duration;

use sea_orm::sqlx::{Connection, Executor, SqliteConnection};
use tempfile::TempDir;
use tokio::time::sleep;
use user_tests::Served;

use super::trial::{Clause, Promise, fault_time, tried};
use super::workload::Workload;

/// The only process on a file.
struct Single {
    served: Served,
    folder: TempDir,
}

impl Single {
    async fn start() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let program = user_tests::program();
        let uri = format!("sqlite:///{}", file(&folder).display());
        // A file that may not grow is an error for who writes it, and not the end of its process.
        let before = "trap '' XFSZ";
        let served = Served::start_so(&program, folder.path(), &uri, &[], before).await;
        served.is_ready().await;
        Self { served, folder }
    }

    fn uri(&self) -> String {
        format!("sqlite:///{}", file(&self.folder).display())
    }

    async fn tried(&self, name: &str, promise: Promise, fault: impl AsyncFnOnce()) {
        let workload = Workload::begin(vec![self.served.url("")]).await;
        workload.warm_up().await;
        tried(name, &self.uri(), &workload, promise, fault).await;
    }
}

fn file(folder: &TempDir) -> PathBuf {
    folder.path().join("users.db")
}

/// Lets no file of a process grow beyond so many bytes; `unlimited` ends that.
#[cfg(target_os = "linux")]
fn limit_files(process: u32, bytes: &str) {
    let limited = std::process::Command::new("prlimit")
        .args(["--pid", &process.to_string()])
        .arg(format!("--fsize={bytes}:unlimited"))
        .status();
    assert!(limited.unwrap().success(), "prlimit");
}

#[cfg(target_os = "linux")]
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_disk_that_is_full_costs_writes_alone_and_only_until_it_has_room() {
    let single = Single::start().await;
    let fault = async || {
        // As if the journal had to be written where the disk has only room for what the database holds already.
        let size = std::fs::metadata(file(&single.folder)).unwrap().len();
        limit_files(single.served.id(), &size.to_string());
        sleep(fault_time()).await;
        assert!(single.served.is_alive());
        limit_files(single.served.id(), "unlimited");
    };
    let promise = Promise::of(&[Clause::ReadsGoOn, Clause::Refuses, Clause::Certain]);
    single.tried("disk full", promise, fault).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_file_that_another_process_locks_is_read_and_refuses_writes_in_time() {
    let single = Single::start().await;
    let fault = async || {
        let file = format!("sqlite://{}", file(&single.folder).display());
        let mut other = SqliteConnection::connect(&file).await.unwrap();
        other.execute("BEGIN IMMEDIATE").await.unwrap();
        sleep(fault_time()).await;
        other.execute("ROLLBACK").await.unwrap();
        other.close().await.unwrap();
    };
    let promise = Promise::of(&[Clause::ReadsGoOn, Clause::Refuses]);
    single.tried("SQLite locked", promise, fault).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_service_on_sqlite_that_is_killed_again_and_again_loses_nothing_acknowledged() {
    let single = Single::start().await;
    let fault = async || {
        for _ in 0..3 {
            single.served.kill();
            sleep(Duration::from_millis(100)).await;
            single.served.restart().await;
            sleep(fault_time() / 3).await;
        }
    };
    single
        .tried("the service on SQLite killed", Promise::BROKEN, fault)
        .await;
}
