//! A private nats-server with JetStream, as `deploy/up` configures it.

use std::{
    fs, io,
    path::{Path, PathBuf},
    process::Command,
};

use super::process::Process;

const CONFIG: &str = include_str!("../../../nats.conf");

pub struct Broker {
    folder: PathBuf,
    pub port: u16,
    password: String,
    process: Option<Process>,
}

impl Broker {
    pub fn create(parent: &Path, port: u16, password: &str) -> io::Result<Self> {
        let folder = parent.join("nats");
        fs::create_dir(&folder)?;
        let mut this = Self { folder, port, password: password.to_owned(), process: None };
        this.start()?;
        Ok(this)
    }

    pub fn url(&self) -> String {
        format!("nats://agora:{}@127.0.0.1:{}", self.password, self.port)
    }

    /// What JetStream has on disk.
    pub fn storage(&self) -> PathBuf {
        self.folder.join("store")
    }

    pub fn log(&self) -> PathBuf {
        self.folder.join("log")
    }

    pub fn start(&mut self) -> io::Result<()> {
        let config = CONFIG
            .replace("@port@", &self.port.to_string())
            .replace("@store@", &self.storage().display().to_string())
            .replace("@password@", &self.password);
        let file = self.folder.join("nats.conf");
        fs::write(&file, config)?;
        let mut command = Command::new("nats-server");
        self.process = Some(Process::spawn(command.arg("-c").arg(&file), &self.log())?);
        Ok(())
    }

    pub fn kill(&mut self) {
        self.process = None;
    }

    /// Everything that the broker remembers is gone.
    pub fn wipe(&self) -> io::Result<()> {
        fs::remove_dir_all(self.storage())
    }
}
