//! The processes of a server. PostgreSQL has several, each in its own process group.

use std::fs;
use std::io::Write;
use std::process::{Child, Command, Stdio};

/// Sends a signal to processes. It uses the shell, which has a builtin `kill` if the system has no such program.
/// Processes that have already ended are ignored.
pub(crate) fn signal(signal: &str, processes: &[u32]) {
    if processes.is_empty() {
        return;
    }
    let numbers: Vec<String> = processes.iter().map(ToString::to_string).collect();
    let _ = Command::new("sh")
        .args(["-c", "kill -\"$0\" \"$@\" 2>/dev/null", signal])
        .args(&numbers)
        .status();
}

/// The child processes of a process.
pub(crate) fn children(parent: u32) -> Vec<u32> {
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

/// The title of a process. The title of a PostgreSQL backend contains the address of its client.
pub(super) fn title(process: u32) -> String {
    let output = fs::read(format!("/proc/{process}/cmdline")).unwrap_or_default();
    String::from_utf8_lossy(&output).replace('\0', " ")
}

fn parent_of(process: u32) -> Option<u32> {
    let stat = fs::read_to_string(format!("/proc/{process}/stat")).ok()?;
    // The name is in parentheses and can contain any character. State and parent follow it.
    let (_, rest) = stat.rsplit_once(')')?;
    rest.split_whitespace().nth(1)?.parse().ok()
}

/// All processes with their parents, for systems without `/proc`.
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

/// A shell that ends a server if the test process dies.
#[derive(Debug)]
pub(super) struct ProcessGuard(Child);

impl ProcessGuard {
    pub(super) fn of(server: u32) -> Self {
        // Its stdin is closed when this process ends. Until then it reads the ids of further processes to end: paused
        // processes do not notice that their server has ended.
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

    /// Sets the processes that are ended together with the server.
    pub(super) fn set_further_processes(&mut self, processes: &[u32]) {
        let numbers: Vec<String> = processes.iter().map(ToString::to_string).collect();
        let line = format!("{}\n", numbers.join(" "));
        let input = self.0.stdin.as_mut().expect("a pipe to the guard");
        input.write_all(line.as_bytes()).unwrap();
    }

    pub(super) fn cancel(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}
