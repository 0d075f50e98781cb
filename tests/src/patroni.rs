//! PostgreSQL servers that Patroni manages with synchronous replication, with one etcd.

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::Mutex;
use std::time::{Duration, Instant};

use serde_json::Value;
use tempfile::TempDir;

use crate::binary::free_port;
use crate::postgres_server::processes::{children, signal};
use crate::postgres_server::{as_server, client_program, temporary};

/// The time after which Patroni gives up a primary server that does not renew its lock.
pub const PATRONI_TTL: Duration = Duration::from_secs(20);
/// The time within which Patroni must reach an expected state.
const TIMEOUT: Duration = Duration::from_mins(3);

/// The servers. They end with this value.
pub struct PatroniCluster {
    folder: TempDir,
    nodes: Vec<Node>,
    etcd: Child,
    client: reqwest::Client,
}

/// A server, and the Patroni that runs it.
struct Node {
    name: String,
    port: u16,
    api: u16,
    process: Mutex<Option<Child>>,
}

impl PatroniCluster {
    /// Starts servers with the programs `patroni` and `etcd`, and waits until commits are replicated synchronously.
    pub async fn start(patroni: &Path, servers: usize) -> Self {
        let folder = temporary();
        let (port, peer_port) = (free_port(), free_port());
        let (url, peer) = (
            format!("http://127.0.0.1:{port}"),
            format!("http://127.0.0.1:{peer_port}"),
        );
        let mut etcd = as_server(Path::new("etcd"));
        etcd.args(["--name", "etcd", "--data-dir", "etcd"])
            .args([
                "--listen-client-urls",
                &url,
                "--advertise-client-urls",
                &url,
            ])
            .args([
                "--listen-peer-urls",
                &peer,
                "--initial-advertise-peer-urls",
                &peer,
            ])
            .args(["--initial-cluster", &format!("etcd={peer}")]);
        let etcd = spawn(&mut etcd, folder.path(), "etcd");
        let mut cluster = Self {
            folder,
            nodes: Vec::new(),
            etcd,
            client: crate::http_client(),
        };
        for number in 0..servers {
            let node = Node {
                name: format!("node{number}"),
                port: free_port(),
                api: free_port(),
                process: Mutex::new(None),
            };
            let configuration = cluster.configuration(&node, port);
            fs::write(cluster.file(&node, "yml"), configuration).unwrap();
            cluster.nodes.push(node);
            cluster.run(patroni, number);
        }
        cluster.wait_until_synchronous().await;
        cluster
    }

    /// The URL of a database, with all servers.
    pub fn url(&self) -> String {
        let servers: Vec<String> = self
            .nodes
            .iter()
            .map(|node| format!("127.0.0.1:{}", node.port))
            .collect();
        format!("postgres://postgres@{}/postgres", servers.join(","))
    }

    /// The URL of the database on one server.
    pub fn url_of(&self, server: usize) -> String {
        let port = self.nodes[server].port;
        format!("postgres://postgres@127.0.0.1:{port}/postgres")
    }

    /// Kills a server and its Patroni (SIGKILL), as the loss of a machine does.
    pub fn kill(&self, server: usize) {
        let node = &self.nodes[server];
        let mut patroni = node.process.lock().unwrap().take();
        if let Some(patroni) = &mut patroni {
            let _ = patroni.kill();
        }
        let pid_file = self.data(node).join("postmaster.pid");
        let text = fs::read_to_string(pid_file).unwrap_or_default();
        if let Some(postmaster) = text.lines().next().and_then(|pid| pid.parse().ok()) {
            signal("STOP", &[postmaster]);
            let mut all = children(postmaster);
            all.push(postmaster);
            signal("KILL", &all);
        }
        if let Some(patroni) = &mut patroni {
            let _ = patroni.wait();
        }
    }

    /// Starts Patroni on a killed server again.
    pub fn run(&self, patroni: &Path, server: usize) {
        let node = &self.nodes[server];
        let mut command = as_server(patroni);
        command.arg(self.file(node, "yml"));
        let process = spawn(&mut command, self.folder.path(), &node.name);
        *node.process.lock().unwrap() = Some(process);
    }

    /// Waits until all servers run, and one of two standbys replicates synchronously. Returns the primary server.
    pub async fn wait_until_synchronous(&self) -> usize {
        let started = Instant::now();
        loop {
            if let Some(primary) = self.primary_of_complete_cluster().await {
                return primary;
            }
            assert!(
                started.elapsed() < TIMEOUT,
                "the servers do not replicate: {}",
                self.logs()
            );
            tokio::time::sleep(Duration::from_millis(200)).await;
        }
    }

    async fn primary_of_complete_cluster(&self) -> Option<usize> {
        for node in &self.nodes {
            let url = format!("http://127.0.0.1:{}/cluster", node.api);
            let reply = self.client.get(url).timeout(Duration::from_secs(2));
            let Ok(reply) = reply.send().await else {
                continue;
            };
            let cluster: Value = serde_json::from_str(&reply.text().await.ok()?).ok()?;
            let members = cluster["members"].as_array()?;
            let with = |role: &str, state: &str| {
                let has = |member: &&Value| member["role"] == role && member["state"] == state;
                members.iter().filter(has).collect::<Vec<_>>()
            };
            let leader = with("leader", "running");
            let standbys =
                with("sync_standby", "streaming").len() + with("replica", "streaming").len();
            let is_complete =
                standbys + 1 == self.nodes.len() && !with("sync_standby", "streaming").is_empty();
            let name = leader.first().filter(|_| is_complete)?["name"].as_str()?;
            return self.nodes.iter().position(|node| node.name == name);
        }
        None
    }

    fn configuration(&self, node: &Node, etcd: u16) -> String {
        let programs = client_program("postgres");
        let programs = programs.parent().unwrap().display();
        let (data, ttl) = (self.data(node), PATRONI_TTL.as_secs());
        let Node {
            name, port, api, ..
        } = node;
        format!(
            "scope: users
name: {name}
etcd3: {{host: '127.0.0.1:{etcd}'}}
restapi: {{listen: '127.0.0.1:{api}', connect_address: '127.0.0.1:{api}'}}
bootstrap:
  dcs:
    ttl: {ttl}
    loop_wait: 5
    retry_timeout: 5
    synchronous_mode: true
    postgresql:
      use_pg_rewind: true
      parameters: {{max_connections: 60, shared_buffers: 32MB, wal_keep_size: 256MB, synchronous_commit: 'on'}}
      pg_hba: ['host all all 127.0.0.1/32 trust', 'host replication all 127.0.0.1/32 trust']
  initdb: [{{encoding: UTF8}}, {{locale: C.UTF-8}}, {{auth: trust}}, data-checksums]
postgresql:
  listen: 127.0.0.1:{port}
  connect_address: 127.0.0.1:{port}
  data_dir: {data}
  bin_dir: {programs}
  pgpass: {data}.pgpass
  parameters: {{unix_socket_directories: {folder}}}
  authentication: {{superuser: {{username: postgres}}, replication: {{username: postgres}}, rewind: {{username: postgres}}}}
",
            data = data.display(),
            folder = self.folder.path().display(),
        )
    }

    fn data(&self, node: &Node) -> PathBuf {
        self.folder.path().join(&node.name)
    }

    fn file(&self, node: &Node, extension: &str) -> PathBuf {
        self.data(node).with_extension(extension)
    }

    fn logs(&self) -> String {
        let log = |node: &Node| fs::read_to_string(self.file(node, "log")).unwrap_or_default();
        self.nodes.iter().map(log).collect()
    }
}

impl Drop for PatroniCluster {
    fn drop(&mut self) {
        for server in 0..self.nodes.len() {
            self.kill(server);
        }
        let _ = self.etcd.kill();
        let _ = self.etcd.wait();
    }
}

/// Starts a program in a folder, and appends its output to a log there.
fn spawn(command: &mut Command, folder: &Path, name: &str) -> Child {
    let path = folder.join(name).with_extension("log");
    let log = File::options()
        .create(true)
        .append(true)
        .open(path)
        .unwrap();
    command
        .current_dir(folder)
        .stdin(Stdio::null())
        .stderr(log.try_clone().unwrap())
        .stdout(log);
    let program = command.get_program().to_owned();
    command
        .spawn()
        .unwrap_or_else(|error| panic!("{}: {error}", program.display()))
}
