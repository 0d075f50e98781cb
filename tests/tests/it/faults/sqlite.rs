//! Faults of SQLite while 32 clients read and write: reads succeed, and writes succeed or are refused.

use std::path::PathBuf;
use std::time::Duration;

use sea_orm::sqlx::{Connection, Executor, SqliteConnection};
use tempfile::TempDir;
use tokio::time::sleep;
use user_tests::RestartableService;

use super::trial::{Expectation, Expectations, fault_duration, run_trial};
use super::workload::Workload;

/// A service that is the only process on its database file.
struct SqliteService {
    process: RestartableService,
    folder: TempDir,
}

impl SqliteService {
    async fn start() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let program = user_tests::program();
        let uri = format!("sqlite:///{}", file(&folder).display());
        // Without this trap, a write beyond the size limit would end the process. With it, the write fails.
        let before = "trap '' XFSZ";
        let process =
            RestartableService::start_program(&program, folder.path(), &uri, &[], before).await;
        process.wait_until_ready().await;
        Self { process, folder }
    }

    fn uri(&self) -> String {
        format!("sqlite:///{}", file(&self.folder).display())
    }

    async fn run_trial(&self, name: &str, expectations: Expectations, fault: impl AsyncFnOnce()) {
        let workload = Workload::begin(vec![self.process.url("")]).await;
        workload.warm_up().await;
        run_trial(name, &self.uri(), &workload, expectations, fault).await;
    }
}

fn file(folder: &TempDir) -> PathBuf {
    folder.path().join("users.db")
}

/// Limits the size of the files that a process writes, in bytes. `unlimited` removes the limit.
#[cfg(target_os = "linux")]
fn limit_file_size(process: u32, bytes: &str) {
    let limited = std::process::Command::new("prlimit")
        .args(["--pid", &process.to_string()])
        .arg(format!("--fsize={bytes}:unlimited"))
        .status();
    assert!(limited.unwrap().success(), "prlimit");
}

#[cfg(target_os = "linux")]
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_full_disk_fails_writes_and_keeps_reads() {
    let service = SqliteService::start().await;
    let fault = async || {
        // As on a disk that is full: no file may become larger than the database already is.
        let size = std::fs::metadata(file(&service.folder)).unwrap().len();
        limit_file_size(service.process.id(), &size.to_string());
        sleep(fault_duration()).await;
        assert!(service.process.is_alive());
        limit_file_size(service.process.id(), "unlimited");
    };
    let expectations = Expectations::of(&[
        Expectation::ReadsSucceed,
        Expectation::SomeFailures,
        Expectation::NoUnknownOutcomes,
    ]);
    service.run_trial("disk full", expectations, fault).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_locked_sqlite_file_serves_reads_and_refuses_writes() {
    let service = SqliteService::start().await;
    let fault = async || {
        let file = format!("sqlite://{}", file(&service.folder).display());
        let mut other = SqliteConnection::connect(&file).await.unwrap();
        other.execute("BEGIN IMMEDIATE").await.unwrap();
        sleep(fault_duration()).await;
        other.execute("ROLLBACK").await.unwrap();
        other.close().await.unwrap();
    };
    let expectations = Expectations::of(&[Expectation::ReadsSucceed, Expectation::SomeFailures]);
    service
        .run_trial("SQLite locked", expectations, fault)
        .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn repeated_kills_on_sqlite_lose_no_acknowledged_write() {
    let service = SqliteService::start().await;
    let fault = async || {
        for _ in 0..3 {
            service.process.kill();
            sleep(Duration::from_millis(100)).await;
            service.process.restart().await;
            sleep(fault_duration() / 3).await;
        }
    };
    service
        .run_trial(
            "the service on SQLite killed",
            Expectations::BROKEN_CONNECTIONS,
            fault,
        )
        .await;
}
