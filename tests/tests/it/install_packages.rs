//! One script installs all packages that the scripts need, with or without root, so the CI workflow needs no list.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

/// Stub programs on the script's `PATH`. Each records its arguments.
struct Machine(tempfile::TempDir);

impl Machine {
    fn with(programs: &[(&str, &str)]) -> Self {
        let machine = Self(tempfile::tempdir().unwrap());
        for (name, script) in programs {
            let path = machine.0.path().join(name);
            let text = format!("#!/bin/bash\necho \"{name} $*\" >>\"$CALLS\"\n{script}\n");
            fs::write(&path, text).unwrap();
            fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).unwrap();
        }
        for name in ["bash", "env"] {
            std::os::unix::fs::symlink(format!("/usr/bin/{name}"), machine.0.path().join(name))
                .unwrap();
        }
        machine
    }

    /// Installs two packages. Returns the output and the recorded calls.
    fn install(&self) -> (Output, Vec<String>) {
        let calls = self.0.path().join("calls");
        let output = Command::new("/bin/bash")
            .arg(root().join("scripts/install-packages"))
            .args(["haproxy", "redis-server"])
            .env_clear()
            .env("PATH", self.0.path())
            .env("CALLS", &calls)
            .output()
            .unwrap();
        let calls = fs::read_to_string(calls).unwrap_or_default();
        (output, calls.lines().map(str::to_owned).collect())
    }
}

const SUDO: &str = r#"shift; [[ $1 == true ]] || exec "$@""#;

#[test]
fn packages_are_installed_as_root_or_by_passwordless_sudo() {
    let install = "apt-get -qq -y --no-install-recommends install haproxy redis-server";
    let as_root = Machine::with(&[("id", "echo 0"), ("apt-get", "")]);
    let (output, calls) = as_root.install();
    assert!(output.status.success(), "{output:?}");
    assert_eq!(calls, ["id -u", "apt-get -qq update", install]);

    let as_user = Machine::with(&[("id", "echo 1000"), ("sudo", SUDO), ("apt-get", "")]);
    let (output, calls) = as_user.install();
    assert!(output.status.success(), "{output:?}");
    assert!(calls.iter().any(|call| call == install), "{calls:?}");
    assert_eq!(
        calls
            .iter()
            .filter(|call| call.starts_with("sudo -n"))
            .count(),
        3,
        "{calls:?}"
    );
}

#[test]
fn a_failed_installation_names_the_packages() {
    let user = ("id", "echo 1000");
    for machine in [
        Machine::with(&[user, ("sudo", "exit 1"), ("apt-get", "")]),
        Machine::with(&[user, ("apt-get", "")]),
        Machine::with(&[("id", "echo 0")]),
        Machine::with(&[("id", "echo 0"), ("apt-get", "exit 100")]),
    ] {
        let (output, calls) = machine.install();
        let stderr = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(!output.status.success(), "{calls:?}");
        assert!(stderr.contains("haproxy redis-server"), "{stderr}");
    }
}

#[test]
fn only_one_script_installs_packages_and_the_workflow_runs_ci_run() {
    let mut installing = Vec::new();
    for folder in ["scripts", ".ci", ".github/workflows"] {
        for entry in fs::read_dir(root().join(folder)).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                continue;
            }
            let text = fs::read_to_string(&path).unwrap();
            if text.contains("apt-get") {
                installing.push(path.file_name().unwrap().to_owned());
            }
        }
    }
    assert_eq!(installing, ["install-packages"]);
    let workflow = fs::read_to_string(root().join(".github/workflows/ci.yml")).unwrap();
    assert!(workflow.contains("run: bash .ci/run"), "{workflow}");
}
