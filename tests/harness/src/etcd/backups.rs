//! A cluster that goes back to a backup of its data.

use std::fs;
use std::path::Path;
use std::process::Command;

use super::cluster::{EtcdCluster, MEMBERS};

impl EtcdCluster {
    /// Takes a snapshot of one member.
    pub fn take_snapshot(&self, file: &Path) {
        let words = ["snapshot", "save", file.to_str().unwrap()];
        let done = self
            .etcdctl_at(&self.endpoints()[..1], &words, true)
            .output();
        let done = done.unwrap();
        assert!(done.status.success(), "{done:?}");
    }

    /// Kills all members, and starts them with the data of a snapshot.
    pub fn restore_snapshot(&mut self, file: &Path) {
        (0..MEMBERS).for_each(|number| self.kill(number));
        for number in 0..MEMBERS {
            let data = self.path(&format!("m{number}"));
            fs::remove_dir_all(&data).unwrap();
            let done = Command::new("etcdctl")
                .env("ETCDCTL_API", "3")
                .args(["snapshot", "restore"])
                .arg(file)
                .args(["--name", &format!("m{number}")])
                .arg("--data-dir")
                .arg(&data)
                .args(["--initial-cluster", &self.initial()])
                .args(["--initial-cluster-token", "restored"])
                .args([
                    "--initial-advertise-peer-urls",
                    &self.peer_address_of(number),
                ])
                .output()
                .unwrap();
            assert!(done.status.success(), "{done:?}");
        }
        (0..MEMBERS).for_each(|number| self.begin(number, &[]));
        self.until_healthy(Some(()));
    }

    /// Copies the data of a member, which is stopped for it.
    pub fn copy_data(&mut self, number: usize, to: &Path) {
        self.kill(number);
        copy(&self.path(&format!("m{number}")), to);
        self.begin(number, &[]);
        self.until_healthy(Some(()));
    }

    /// Kills all members, and makes a new cluster of one member with the data that was copied from it.
    pub fn force_new_cluster(&mut self, number: usize, from: &Path) {
        (0..MEMBERS).for_each(|number| self.kill(number));
        let data = self.path(&format!("m{number}"));
        fs::remove_dir_all(&data).unwrap();
        copy(from, &data);
        self.begin(number, &["--force-new-cluster"]);
        self.until_one_is_healthy(number);
    }
}

fn copy(from: &Path, to: &Path) {
    let done = Command::new("cp").arg("-a").arg(from).arg(to).status();
    assert!(done.unwrap().success());
}
