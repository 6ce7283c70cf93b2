//! What a service manager hears of the process.

use std::os::unix::net::UnixDatagram;

use rustix::process::Signal;

use crate::run;
use crate::support::{DEADLINE, Process, get};

#[test]
fn a_service_manager_hears_when_clients_may_come_and_when_the_server_stops() {
    run(async {
        let dir = tempfile::tempdir().expect("a directory");
        let path = dir.path().join("notify");
        let manager = UnixDatagram::bind(&path).expect("a socket");
        manager.set_read_timeout(Some(DEADLINE)).expect("a deadline");
        let hear = || {
            let mut said = [0; 256];
            let length = manager.recv(&mut said).expect("it says something");
            String::from_utf8_lossy(&said[..length]).trim().to_owned()
        };
        let server = Process::start(dir.path(), &[("NOTIFY_SOCKET", path.to_str().expect("a path"))]);
        assert_eq!(hear(), "READY=1");
        assert_eq!(get(server.address, "/readyz").await.status, 200, "they may come by then");
        server.signal(Signal::TERM);
        assert_eq!(hear(), "STOPPING=1");
        assert!(server.end().await.0.success());
    });
}
