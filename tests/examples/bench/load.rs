//! The load generators wrk and pgbench, on core 1.

use std::fmt::Write as _;
use std::fs;
use std::path::Path;
use std::process::Command;
use std::time::Duration;

use crate::server::Server;

/// The results of one round of one side.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Round {
    /// Requests per second.
    pub(crate) requests: f64,
    /// The 99th percentile of the response time, in milliseconds.
    pub(crate) p99: f64,
    /// CPU time per request, in microseconds.
    pub(crate) cpu: f64,
}

/// One request of a script, with the arguments of `wrk.format`.
pub(crate) struct Request {
    pub(crate) method: &'static str,
    pub(crate) path: String,
    pub(crate) token: String,
    pub(crate) more: &'static str,
    pub(crate) body: Option<String>,
}

impl Request {
    pub(crate) fn get(path: String, token: &str) -> Self {
        Self {
            method: "GET",
            path,
            token: token.to_owned(),
            more: "",
            body: None,
        }
    }
}

/// Writes a script that sends these requests in rotation.
pub(crate) fn write_rotating_script(file: &Path, requests: &[Request]) {
    let mut script = String::from("local all = {}\nfunction init(args)\n");
    for request in requests {
        let Request {
            method,
            path,
            token,
            more,
            body,
        } = request;
        let body = body
            .as_ref()
            .map_or("nil".to_owned(), |body| format!("[==[{body}]==]"));
        writeln!(
            script,
            "all[#all + 1] = wrk.format('{method}', '{path}', {{['Authorization'] = 'Bearer {token}', \
             ['Content-Type'] = 'application/json'{more}}}, {body})"
        )
        .unwrap();
    }
    script.push_str("end\nlocal turn = 0\nfunction request()\n turn = turn % #all + 1\n return all[turn]\nend\n");
    script.push_str(REPORT);
    fs::write(file, script).unwrap();
}

/// Writes a script that creates a new request each time. `request` is the body of a Lua function: `turn` counts the
/// requests, and `seed` is a random word that is different in each run.
pub(crate) fn write_generating_script(file: &Path, request: &str) {
    let script = format!(
        "local turn = 0\nlocal seed = ''\nfor byte in io.open('/dev/urandom', 'rb'):read(5):gmatch('.') do seed = seed .. string.format('%02x', byte:byte()) end\nfunction request()\n turn = turn + 1\n{request}\nend\n{REPORT}"
    );
    fs::write(file, script).unwrap();
}

/// Reports all errors and unexpected statuses, so that they are not counted as successful requests.
const REPORT: &str = "
function done(summary, latency, requests)
  local wrong = summary.errors.connect + summary.errors.read + summary.errors.write + summary.errors.status + summary.errors.timeout
  io.write(string.format('REPORT %d %d %d %d\\n', summary.requests, summary.duration, latency:percentile(99.0), wrong))
end
";

/// Sends the requests of a script over this number of connections.
pub(crate) fn drive(server: &Server, script: &Path, connections: u32, span: Duration) -> Round {
    let before = server.cpu();
    let result = Command::new("taskset")
        .args([
            "--cpu-list",
            "1",
            "wrk",
            "--threads",
            "1",
            "--timeout",
            "10s",
        ])
        .args(["--connections", &connections.to_string()])
        .args(["--duration", &format!("{}s", span.as_secs())])
        .arg("--script")
        .arg(script)
        .arg(format!("http://127.0.0.1:{}", server.port))
        .output()
        .expect("wrk");
    let cpu_time = server.cpu().saturating_sub(before);
    let output = String::from_utf8_lossy(&result.stdout).into_owned();
    let report = output.lines().find_map(|line| line.strip_prefix("REPORT "));
    let report = report.unwrap_or_else(|| panic!("wrk reports nothing: {result:?}"));
    let figures: Vec<f64> = report
        .split(' ')
        .map(|figure| figure.parse().unwrap())
        .collect();
    let [requests, micros, p99, wrong] = figures[..] else {
        panic!("{report}");
    };
    assert!(wrong == 0.0, "{wrong} of {requests} requests failed");
    Round {
        requests: requests * 1e6 / micros,
        p99: p99 / 1000.0,
        cpu: cpu_time.as_secs_f64() * 1e6 / requests,
    }
}

/// Runs a pgbench script with this number of clients, and returns the transactions per second.
pub(crate) fn pgbench(uri: &str, script: &Path, clients: u32, span: Duration) -> f64 {
    let result = Command::new("taskset")
        .args([
            "--cpu-list",
            "1",
            &pgbench_program(),
            "--no-vacuum",
            "--protocol",
            "prepared",
        ])
        .args(["--client", &clients.to_string(), "--jobs", "1"])
        .args(["--time", &span.as_secs().to_string()])
        .arg("--file")
        .arg(script)
        .arg(uri)
        .output()
        .expect("pgbench");
    let output = String::from_utf8_lossy(&result.stdout).into_owned();
    let line = output.lines().find_map(|line| line.strip_prefix("tps = "));
    let line = line.unwrap_or_else(|| panic!("pgbench reports nothing: {result:?}"));
    assert!(
        result.status.success() && output.contains("failed transactions: 0"),
        "{result:?}"
    );
    line.split(' ').next().unwrap().parse().unwrap()
}

fn pgbench_program() -> String {
    let folder = std::env::var("TEST_POSTGRES_BIN").unwrap_or_default();
    let program = Path::new(&folder).join("pgbench");
    if program.is_file() {
        program.display().to_string()
    } else {
        "pgbench".to_owned()
    }
}

/// Requests that are sent during a measurement, whatever their responses.
pub(crate) struct BackgroundLoad(std::process::Child);

impl BackgroundLoad {
    /// Starts to send the requests of a script, for two seconds longer than a measurement.
    pub(crate) fn begin(server: &Server, script: &Path, connections: u32, span: Duration) -> Self {
        let mut command = Command::new("taskset");
        command
            .args(["--cpu-list", "1", "wrk", "--threads", "1"])
            .args(["--connections", &connections.to_string()])
            .args(["--duration", &format!("{}s", span.as_secs() + 2)])
            .arg("--script")
            .arg(script)
            .arg(format!("http://127.0.0.1:{}", server.port))
            .stdout(std::process::Stdio::null());
        let load = Self(command.spawn().expect("wrk"));
        std::thread::sleep(Duration::from_millis(500));
        load
    }
}

impl Drop for BackgroundLoad {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}
