//! A private Postgres cluster: fsync on, as in earnest.

use std::{
    fs, io,
    os::unix::fs::MetadataExt,
    path::{Path, PathBuf},
    process::Command,
    time::Duration,
};

use super::process::Process;

/// How the server is stopped.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stop {
    /// Connections are ended, everything is written.
    Fast,
    /// As in a crash: the next start recovers from the WAL.
    Immediate,
}

pub struct Postgres {
    folder: PathBuf,
    pub port: u16,
    pub password: String,
    server: Option<Process>,
}

impl Postgres {
    /// Makes a cluster with the superuser `agora` and starts it.
    pub fn create(parent: &Path, port: u16, password: &str) -> io::Result<Self> {
        let folder = parent.join("postgres");
        fs::create_dir(&folder)?;
        if is_root() {
            run(Command::new("chown").arg("postgres:").arg(&folder))?;
        }
        let password_file = parent.join("postgres-password");
        fs::write(&password_file, password)?;
        let mut this = Self { folder, port, password: password.to_owned(), server: None };
        run(this
            .tool("initdb")
            .arg("-D")
            .arg(this.data())
            .args(["-U", "agora", "-k", "-E", "UTF8", "--locale=C.UTF-8", "--auth=scram-sha-256"])
            .arg(format!("--pwfile={}", password_file.display())))?;
        fs::remove_file(password_file)?;
        let settings = format!(
            "listen_addresses = '127.0.0.1'\nport = {port}\nunix_socket_directories = ''\n\
             max_connections = 200\nshared_buffers = '256MB'\njit = off\ntimezone = 'UTC'\n\
             log_timezone = 'UTC'\nlog_error_verbosity = terse\nlog_min_error_statement = panic\n"
        );
        let config = this.data().join("postgresql.conf");
        let all = fs::read_to_string(&config)? + &settings;
        fs::write(&config, all)?;
        this.start()?;
        Ok(this)
    }

    /// Everything that the server has written: heap, indexes, WAL.
    pub fn data(&self) -> PathBuf {
        self.folder.join("data")
    }

    pub fn log(&self) -> PathBuf {
        self.folder.join("log")
    }

    pub fn url(&self, user: &str, password: &str, database: &str) -> String {
        format!("postgres://{user}:{password}@127.0.0.1:{}/{database}", self.port)
    }

    pub fn owner_url(&self, database: &str) -> String {
        self.url("agora", &self.password, database)
    }

    /// Starts the server and waits until it has recovered. It stays in this process's group, so that
    /// what ends a test ends it too.
    pub fn start(&mut self) -> io::Result<()> {
        let mut command = self.tool("postgres");
        command.arg("-D").arg(self.data());
        self.server = Some(Process::spawn(&mut command, &self.log())?);
        for _ in 0..600 {
            let mut answers = self.tool("pg_isready");
            let port = self.port.to_string();
            if run(answers.args(["-q", "-h", "127.0.0.1", "-p", &port])).is_ok() {
                return Ok(());
            }
            std::thread::park_timeout(Duration::from_millis(50));
        }
        Err(io::Error::other(format!("Postgres does not start: see {}", self.log().display())))
    }

    pub fn stop(&self, how: Stop) -> io::Result<()> {
        let mode = match how {
            Stop::Fast => "fast",
            Stop::Immediate => "immediate",
        };
        run(self
            .tool("pg_ctl")
            .arg("-D")
            .arg(self.data())
            .args(["-w", "-t", "60", "-m", mode, "stop"]))
    }

    /// Copies the data folder of a stopped server.
    pub fn copy_to(&self, name: &str) -> io::Result<()> {
        run(Command::new("cp").arg("-a").arg(self.data()).arg(self.folder.join(name)))
    }

    /// Puts a copy in the place of a stopped server's data folder.
    pub fn restore_from(&self, name: &str) -> io::Result<()> {
        fs::remove_dir_all(self.data())?;
        fs::rename(self.folder.join(name), self.data())
    }

    /// A tool of Postgres, as the user that may run it.
    fn tool(&self, name: &str) -> Command {
        let path = tools().join(name);
        if !is_root() {
            return Command::new(path);
        }
        let mut command = Command::new("runuser");
        command.args(["-u", "postgres", "--"]).arg(path).current_dir("/");
        command
    }
}

impl Drop for Postgres {
    fn drop(&mut self) {
        // Fails where a test has stopped it already.
        let _ = self.stop(Stop::Immediate);
    }
}

/// Debian keeps the server's tools out of the PATH, by version.
pub fn tools() -> PathBuf {
    let versions = fs::read_dir("/usr/lib/postgresql").into_iter().flatten().flatten();
    let mut found: Vec<(u32, PathBuf)> = versions
        .filter_map(|entry| Some((entry.file_name().to_str()?.parse().ok()?, entry.path())))
        .map(|(version, path)| (version, path.join("bin")))
        .filter(|(_, path)| path.join("initdb").exists())
        .collect();
    found.sort();
    found.pop().map(|(_, path)| path).unwrap_or_default()
}

fn is_root() -> bool {
    fs::metadata("/proc/self").is_ok_and(|own| own.uid() == 0)
}

/// Runs to the end; what it says is of no interest.
fn run(command: &mut Command) -> io::Result<()> {
    let status = command
        .stdin(std::process::Stdio::null())
        .stdout(std::process::Stdio::null())
        .stderr(std::process::Stdio::null())
        .status()
        .map_err(|error| io::Error::other(format!("{command:?}: {error}")))?;
    if !status.success() {
        return Err(io::Error::other(format!("{command:?}: {status}")));
    }
    Ok(())
}
