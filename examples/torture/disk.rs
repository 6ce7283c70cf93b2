//! A small file system for the server's store alone, so that it can really be full.
//!
//! It is mounted in a mount namespace of this process's own, which util-linux's `unshare` gives: as root, or where a user
//! may have namespaces. It is gone with the last process that sees it.

use std::fs::File;
use std::io::Write;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// Says in the environment that the namespace is there.
const HERE: &str = "PARLOR_TORTURE_NAMESPACE";
/// How large it is.
const SIZE: &str = "size=96m";

/// Begins this program anew with mounts of its own, if that can be had and it has none yet. Returns whether it has.
pub fn namespace() -> bool {
    if std::env::var_os(HERE).is_some() {
        return true;
    }
    let private: &[&str] = &["--mount", "--propagation", "private"];
    let as_user: &[&str] = &["--user", "--map-root-user", "--mount", "--propagation", "private"];
    let Ok(own) = std::env::current_exe() else { return false };
    for way in [private, as_user] {
        let mut probe = Command::new("unshare");
        let works =
            probe.args(way).arg("true").stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).status();
        if works.is_ok_and(|status| status.success()) {
            // Returns only if it fails.
            let _ = Command::new("unshare").args(way).arg(&own).args(std::env::args_os().skip(1)).env(HERE, "1").exec();
        }
    }
    false
}

/// The file system. It is taken away when this is dropped.
pub struct Disk {
    place: PathBuf,
}

impl Disk {
    /// Mounts one.
    pub fn mount(place: &Path) -> Result<Self, String> {
        std::fs::create_dir_all(place).map_err(|why| format!("{}: {why}", place.display()))?;
        let mut mount = Command::new("mount");
        let done = mount.args(["-t", "tmpfs", "-o", SIZE, "tmpfs"]).arg(place).stdin(Stdio::null()).output();
        match done {
            Ok(output) if output.status.success() => Ok(Self { place: place.to_owned() }),
            Ok(output) => Err(String::from_utf8_lossy(&output.stderr).trim().to_owned()),
            Err(why) => Err(why.to_string()),
        }
    }

    /// Where it is.
    pub fn place(&self) -> &Path {
        &self.place
    }

    fn filler(&self) -> PathBuf {
        self.place.join("filler")
    }

    /// Fills it to the last byte.
    pub fn fill(&self) -> Result<(), String> {
        let mut file = File::create(self.filler()).map_err(|why| why.to_string())?;
        let mut size = 1 << 20;
        while size > 0 {
            // What fits in part is in.
            match file.write(&vec![b'x'; size]) {
                Ok(written) if written > 0 => {}
                _ => size /= 2,
            }
        }
        Ok(())
    }

    /// Makes room again.
    pub fn free(&self) -> Result<(), String> {
        std::fs::remove_file(self.filler()).map_err(|why| why.to_string())
    }
}

impl Drop for Disk {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg("-l").arg(&self.place).status();
    }
}
