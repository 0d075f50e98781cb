//! The processes of a server: a PostgreSQL is many, each in a group of its own.

use std::fs;
use std::io::Write;
use std::process::{Child, Command, Stdio};

/// Sends a signal to processes, by the shell: it has `kill` where the system has no program of that name. One that has
/// ended meanwhile is none of ours.
pub(super) fn signal(signal: &str, processes: &[u32]) {
    if processes.is_empty() {
        return;
    }
    let numbers: Vec<String> = processes.iter().map(ToString::to_string).collect();
    let _ = Command::new("sh")
        .args(["-c", "kill -\"$0\" \"$@\" 2>/dev/null", signal])
        .args(&numbers)
        .status();
}

/// The processes that a process has started.
pub(super) fn children(parent: u32) -> Vec<u32> {
    let all = match fs::read_dir("/proc") {
        Ok(entries) => entries
            .filter_map(|entry| entry.ok()?.file_name().into_string().ok()?.parse().ok())
            .filter_map(|process| Some((process, parent_of(process)?)))
            .collect(),
        Err(_) => listed(),
    };
    all.into_iter()
        .filter_map(|(process, of)| (of == parent).then_some(process))
        .collect()
}

/// What a process calls itself; PostgreSQL's tell whom they serve.
pub(super) fn title(process: u32) -> String {
    let output = fs::read(format!("/proc/{process}/cmdline")).unwrap_or_default();
    String::from_utf8_lossy(&output).replace('\0', " ")
}

fn parent_of(process: u32) -> Option<u32> {
    let stat = fs::read_to_string(format!("/proc/{process}/stat")).ok()?;
    // The name, which may hold anything, stands in brackets; state and parent follow it.
    let (_, rest) = stat.rsplit_once(')')?;
    rest.split_whitespace().nth(1)?.parse().ok()
}

/// Each process and its parent, where there is no `/proc`.
fn listed() -> Vec<(u32, u32)> {
    let output = Command::new("ps").args(["-axo", "pid=,ppid="]).output();
    let text = output.map(|output| String::from_utf8_lossy(&output.stdout).into_owned());
    text.unwrap_or_default()
        .lines()
        .filter_map(|line| {
            let mut numbers = line.split_whitespace().map(str::parse);
            Some((numbers.next()?.ok()?, numbers.next()?.ok()?))
        })
        .collect()
}

/// A shell that ends a server should the test's process die.
#[derive(Debug)]
pub(super) struct Watchman(Child);

impl Watchman {
    pub(super) fn of(server: u32) -> Self {
        // Its standard input ends when this process does. What it reads until then are processes to end as well: those
        // that stand still do not notice that their server has gone.
        let watch = "trap '' HUP INT TERM; more=; while read -r line; do more=$line; done; kill -KILL \"$0\" $more";
        let shell = Command::new("sh")
            .args(["-c", watch])
            .arg(server.to_string())
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .expect("sh can be started");
        Self(shell)
    }

    /// Names the processes that have to be ended with the server from now on.
    pub(super) fn end_as_well(&mut self, processes: &[u32]) {
        let numbers: Vec<String> = processes.iter().map(ToString::to_string).collect();
        let line = format!("{}\n", numbers.join(" "));
        let input = self.0.stdin.as_mut().expect("a pipe to the watchman");
        input.write_all(line.as_bytes()).unwrap();
    }

    pub(super) fn dismiss(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}
