//! A PostgreSQL server of one test, which can be killed, paused, restarted and configured.

use std::fs::{self, File};
use std::os::unix::fs::{PermissionsExt, chown};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex, Weak};
use std::time::Duration;

use sea_orm::sqlx::{AssertSqlSafe, Connection, Executor, PgConnection};
use tempfile::TempDir;

use crate::ports::next_port;
use processes::{ProcessGuard, children, signal};

pub(crate) mod processes;

/// A PostgreSQL server of one test. It ends with this value, at the latest with the test process.
///
/// It runs without fsync, since tests kill the server and never the machine.
#[derive(Debug)]
pub struct PostgresServer {
    directory: TempDir,
    port: u16,
    settings: Vec<String>,
    process: Mutex<Option<Process>>,
    /// Keeps the template for the next server.
    template: Arc<TempDir>,
}

impl PostgresServer {
    /// Starts a server on a free port of 127.0.0.1.
    pub async fn start() -> Self {
        Self::start_with(&[]).await
    }

    /// Starts a server with settings, such as `["max_connections=20"]`.
    pub async fn start_with(settings: &[&str]) -> Self {
        let template = template();
        let directory = temporary();
        run_to_end(
            Command::new("cp")
                .arg("-a")
                .arg(template.path().join(DATA))
                .arg(directory.path()),
        );
        let settings = settings.iter().map(ToString::to_string).collect();
        Self::start_in(directory, settings, template).await
    }

    /// Starts a standby of this server. It replays what this server commits until it is promoted.
    pub async fn start_standby(&self) -> Self {
        let directory = temporary();
        run_to_end(
            as_server(&client_program("pg_basebackup"))
                .current_dir(directory.path())
                .args(["-h", "127.0.0.1", "-p", &self.port.to_string()])
                .args(["-U", "postgres", "-c", "fast", "-R", "--no-sync", "-D"])
                .arg(directory.path().join(DATA)),
        );
        Self::start_in(directory, self.settings.clone(), self.template.clone()).await
    }

    async fn start_in(directory: TempDir, settings: Vec<String>, template: Arc<TempDir>) -> Self {
        let mut server = Self {
            directory,
            port: 0,
            settings,
            process: Mutex::new(None),
            template,
        };
        for _ in 0..10 {
            server.port = next_port();
            if server.run().await {
                return server;
            }
        }
        panic!("the test PostgreSQL did not start: {}", server.log());
    }

    /// The URL of its first database, with a superuser. It is the same after a restart.
    pub fn url(&self) -> String {
        format!("postgres://postgres@127.0.0.1:{}/postgres", self.port)
    }

    /// Its host and port.
    pub fn address(&self) -> String {
        format!("127.0.0.1:{}", self.port)
    }

    /// Stops all processes of the server (SIGSTOP). It does not respond, connections stay open, and only the kernel
    /// accepts new connections.
    pub fn pause(&self) {
        let mut process = self.process.lock().unwrap();
        let process = process.as_mut().expect("the server runs");
        // The postmaster first, so that it does not start further processes.
        signal("STOP", &[process.server.id()]);
        let children = children(process.server.id());
        signal("STOP", &children);
        process.guard.set_further_processes(&children);
        process.paused = children;
    }

    /// Resumes a paused server. It then handles the requests that arrived in the meantime.
    pub fn resume(&self) {
        let mut process = self.process.lock().unwrap();
        process.as_mut().expect("the server runs").resume();
    }

    /// Kills all processes of the server (SIGKILL), as the kernel does when it is out of memory.
    pub fn kill(&self) {
        self.process.lock().unwrap().take();
    }

    /// Kills one backend process. The server then ends all others and restarts itself.
    pub fn crash(&self) {
        let process = self.process.lock().unwrap();
        let server = process.as_ref().expect("the server runs").server.id();
        let backend = children(server)
            .into_iter()
            .find(|child| processes::title(*child).contains("127.0.0.1("))
            .or_else(|| children(server).pop());
        signal("KILL", &[backend.expect("a process of the server")]);
    }

    /// Restarts a killed server on the same port with the same data, which it recovers first.
    pub async fn restart(&self) {
        self.kill();
        for _ in 0..20 {
            if self.run().await {
                return;
            }
            // Killed processes may still be ending.
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
        panic!("the test PostgreSQL did not restart: {}", self.log());
    }

    /// Opens a connection that is not shared with the service.
    pub async fn connect(&self) -> PgConnection {
        PgConnection::connect(&self.url())
            .await
            .expect("the test PostgreSQL is reachable")
    }

    /// Runs a statement on a new connection.
    pub async fn execute(&self, statement: &str) {
        let mut connection = self.connect().await;
        let done = connection.execute(AssertSqlSafe(statement)).await;
        done.unwrap_or_else(|error| panic!("{statement}: {error}"));
        connection.close().await.unwrap();
    }

    /// Starts the process and waits until it accepts connections. Returns false if it ends, for example because the
    /// port is in use.
    async fn run(&self) -> bool {
        let data = self.directory.path().join(DATA);
        let pid_file = data.join("postmaster.pid");
        let _ = fs::remove_file(&pid_file);
        let log = File::create(self.directory.path().join(LOG)).unwrap();
        let mut command = as_server(&program("postgres"));
        command
            .current_dir(self.directory.path())
            .arg("-D")
            .arg(&data)
            .args(["-h", "127.0.0.1", "-k", ""])
            .args(["-p", &self.port.to_string()]);
        let usual = ["fsync=off", "full_page_writes=off", "shared_buffers=16MB"];
        for setting in usual
            .into_iter()
            .chain(self.settings.iter().map(String::as_str))
        {
            command.args(["-c", setting]);
        }
        command
            .stdin(Stdio::null())
            .stderr(log.try_clone().unwrap())
            .stdout(log);
        *self.process.lock().unwrap() = Some(Process::start(&mut command));
        for _ in 0..3000 {
            let state = fs::read_to_string(&pid_file).unwrap_or_default();
            if state.lines().any(|line| line.starts_with("ready")) {
                return true;
            }
            if self.has_ended() {
                return false;
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        false
    }

    fn has_ended(&self) -> bool {
        let mut process = self.process.lock().unwrap();
        let process = process.as_mut().expect("the server has been started");
        process.has_ended()
    }

    /// The text of its log.
    pub fn log(&self) -> String {
        fs::read_to_string(self.directory.path().join(LOG)).unwrap_or_default()
    }
}

const DATA: &str = "data";
const LOG: &str = "postgres.log";

/// A running server, and the guard that ends it if the test process dies.
#[derive(Debug)]
pub(crate) struct Process {
    server: Child,
    guard: ProcessGuard,
    /// Its paused processes.
    paused: Vec<u32>,
}

impl Process {
    pub(crate) fn start(command: &mut Command) -> Self {
        let server = command.spawn().unwrap_or_else(|error| {
            let program = command.get_program().display();
            panic!("{program}: {error}")
        });
        let guard = ProcessGuard::of(server.id());
        Self {
            server,
            guard,
            paused: Vec::new(),
        }
    }

    /// Whether the server has ended by itself.
    pub(crate) fn has_ended(&mut self) -> bool {
        self.server.try_wait().unwrap().is_some()
    }

    fn resume(&mut self) {
        let paused = std::mem::take(&mut self.paused);
        signal("CONT", &paused);
        signal("CONT", &[self.server.id()]);
        self.guard.set_further_processes(&[]);
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        // The guard first: it must not kill another process that has reused the id.
        self.guard.cancel();
        if self.server.try_wait().ok().flatten().is_some() {
            return;
        }
        signal("STOP", &[self.server.id()]);
        let mut all = children(self.server.id());
        all.push(self.server.id());
        signal("KILL", &all);
        let _ = self.server.wait();
    }
}

/// A folder with the data of an unused server. Copying it is cheaper than `initdb` for each server. It is removed with
/// the last server.
fn template() -> Arc<TempDir> {
    static TEMPLATE: Mutex<Weak<TempDir>> = Mutex::new(Weak::new());
    let mut shared = TEMPLATE
        .lock()
        .unwrap_or_else(std::sync::PoisonError::into_inner);
    if let Some(template) = shared.upgrade() {
        return template;
    }
    let template = Arc::new(temporary());
    let data = template.path().join(DATA);
    let initialised = |locale: &str| {
        let mut initdb = as_server(&program("initdb"));
        initdb
            .current_dir(template.path())
            .arg("-D")
            .arg(&data)
            .args(["-U", "postgres", "-A", "trust", "-E", "UTF8", "--no-sync"])
            .arg(locale)
            .output()
            .unwrap()
    };
    let mut output = initialised("--locale=C.UTF-8");
    if !output.status.success() {
        let _ = fs::remove_dir_all(&data);
        output = initialised("--locale=C");
    }
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "initdb: {errors}");
    *shared = Arc::downgrade(&template);
    template
}

/// A folder that the user of the server can access.
pub(crate) fn temporary() -> TempDir {
    let directory = tempfile::Builder::new()
        .prefix("postgres-")
        .tempdir()
        .unwrap();
    fs::set_permissions(directory.path(), fs::Permissions::from_mode(0o700)).unwrap();
    if let Some((user, group)) = server_user() {
        chown(directory.path(), Some(user), Some(group)).unwrap();
    }
    directory
}

/// A command of a PostgreSQL program. As root it runs as another user, since PostgreSQL refuses to run as root.
pub(crate) fn as_server(program: &Path) -> Command {
    let Some((user, group)) = server_user() else {
        return Command::new(program);
    };
    let mut command = Command::new("setpriv");
    command
        .args(["--reuid", &user.to_string(), "--regid", &group.to_string()])
        .arg("--clear-groups")
        .arg(program);
    command
}

/// The ids of the user and group of the server, if this process is root.
fn server_user() -> Option<(u32, u32)> {
    let number = |arguments: &[&str]| {
        let output = Command::new("id").args(arguments).output().ok()?;
        let text = String::from_utf8(output.stdout).ok()?;
        text.trim().parse::<u32>().ok()
    };
    if number(&["-u"]) != Some(0) {
        return None;
    }
    ["postgres", "nobody"]
        .into_iter()
        .find_map(|name| Some((number(&["-u", name])?, number(&["-g", name])?)))
}

/// The path of a PostgreSQL program, in `TEST_POSTGRES_BIN` or in `PATH`.
fn program(name: &str) -> PathBuf {
    let folder = std::env::var_os("TEST_POSTGRES_BIN").filter(|path| !path.is_empty());
    let path = folder.map_or_else(
        || {
            let path = std::env::var_os("PATH").unwrap_or_default();
            let found = std::env::split_paths(&path)
                .map(|folder| folder.join(name))
                .find(|candidate| candidate.is_file());
            found.unwrap_or_else(|| PathBuf::from(name))
        },
        |folder| Path::new(&folder).join(name),
    );
    assert!(
        path.is_file(),
        "{} does not exist: set TEST_POSTGRES_BIN to the folder of the PostgreSQL programs, or run the tests with `make test`",
        path.display()
    );
    path
}

/// The path of a client program, beside the server's programs. These may be links.
pub fn client_program(name: &str) -> PathBuf {
    program("postgres")
        .canonicalize()
        .unwrap()
        .with_file_name(name)
}

fn run_to_end(command: &mut Command) {
    let status = command.status().unwrap();
    assert!(status.success(), "{command:?}");
}
