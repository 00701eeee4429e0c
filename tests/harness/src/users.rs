//! Throw-away users of a machine.

use std::fmt::Write as _;
use std::os::unix::fs::chown;
use std::path::{Path, PathBuf};

use crate::layout;
use crate::machine::Machine;

/// The password of every user of a machine.
pub const PASSWORD: &str = "correct horse 7";

/// crypt(3) of `PASSWORD` with the smallest cost, so that a login costs no time.
const HASH: &str = "$6$rounds=1000$harness$tDmDizfLiRSSDBdqXd/dW.g5cty1dcaveHLDCpll5w61wMtSa1M4izq45aJffs/qDxVBtwQjldRXihrDh9NdD1";

const FIRST_ID: u32 = 60_100;

impl Machine {
    /// Adds a user with `PASSWORD`, a group and a home of the same name, and /bin/sh; returns the uid.
    pub fn add_user(&self, name: &str) -> u32 {
        let id = FIRST_ID + self.number();
        self.add_user_with_id(name, id);
        id
    }

    /// Adds a user with a uid of the test's choice, which other users may have too. A user of that name that the real
    /// machine happens to have is not there meanwhile.
    pub fn add_user_with_id(&self, name: &str, id: u32) {
        self.remove_user(name);
        let home = Path::new("/home").join(name.replace('/', "_"));
        append(
            "/etc/passwd",
            &format!("{name}:x:{id}:{id}::{}:/bin/sh\n", home.display()),
        );
        append("/etc/group", &format!("{name}:x:{id}:\n"));
        append(
            "/etc/shadow",
            &format!("{name}:{HASH}:19000:0:99999:7:::\n"),
        );
        layout::directory(&home, 0o755);
        chown(&home, Some(id), Some(id)).expect("the owner of the home");
    }

    /// Adds so many users, each with a group of the same name and without a home: `user0` with the first uid, and so on.
    /// Their full names are `Number 0` and so on.
    pub fn add_users(&self, count: u32, first_id: u32) {
        let (mut passwd, mut group, mut shadow) = (String::new(), String::new(), String::new());
        for number in 0..count {
            let id = first_id + number;
            let name = format!("user{number}");
            passwd += &format!("{name}:x:{id}:{id}:Number {number},,,:/:/bin/sh\n");
            group += &format!("{name}:x:{id}:\n");
            shadow += &format!("{name}:{HASH}:19000:0:99999:7:::\n");
        }
        append("/etc/passwd", &passwd);
        append("/etc/group", &group);
        append("/etc/shadow", &shadow);
    }

    /// Removes a user from the passwd, shadow and group databases.
    pub fn remove_user(&self, name: &str) {
        for path in ["/etc/passwd", "/etc/shadow", "/etc/group"] {
            edit(path, |line, text| {
                if field(line, 0) == name {
                    Ok(())
                } else {
                    writeln!(text, "{line}")
                }
            });
        }
    }

    /// Gives `PASSWORD` to a user that the machine has anyway, such as root.
    pub fn set_password(&self, name: &str) {
        self.set_password_field(name, HASH);
    }

    /// Writes the second field of a line of shadow(5), such as `*`.
    pub fn set_password_field(&self, name: &str, password: &str) {
        edit("/etc/shadow", |line, text| {
            if field(line, 0) == name {
                writeln!(text, "{name}:{password}:19000:0:99999:7:::")
            } else {
                writeln!(text, "{line}")
            }
        });
    }

    /// Adds a group; returns the gid.
    pub fn add_group(&self, name: &str) -> u32 {
        let id = FIRST_ID + self.number();
        append("/etc/group", &format!("{name}:x:{id}:\n"));
        id
    }

    /// Makes a user a member of a group that exists.
    pub fn add_to_group(&self, user: &str, group: &str) {
        edit("/etc/group", |line, text| {
            let separator = if line.ends_with(':') { "" } else { "," };
            if field(line, 0) == group {
                writeln!(text, "{line}{separator}{user}")
            } else {
                writeln!(text, "{line}")
            }
        });
    }

    /// Makes an ed25519 key pair that sshd accepts for a user; returns the file of the private key.
    pub fn add_key(&self, user: &str) -> PathBuf {
        let key = self.scratch().join("id_ed25519");
        let file = key.display().to_string();
        self.run(
            "ssh-keygen",
            &["-q", "-t", "ed25519", "-N", "", "-C", user, "-f", &file],
        )
        .ok();
        let entry = entry(user);
        let (home, id) = (field(&entry, 5), field(&entry, 2).parse().expect("a uid"));
        let directory = Path::new(home).join(".ssh");
        layout::directory(&directory, 0o700);
        layout::file(
            &directory.join("authorized_keys"),
            self.read(key.with_extension("pub")).as_bytes(),
            0o600,
        );
        for path in [directory.join("authorized_keys"), directory] {
            chown(&path, Some(id), Some(id)).expect("the owner of the key");
        }
        key
    }

    /// Lets a user run everything with sudo, after authentication.
    pub fn allow_sudo(&self, user: &str) {
        self.write_file(
            format!("/etc/sudoers.d/{user}"),
            format!("{user} ALL=(ALL:ALL) ALL\n"),
            0o440,
        );
        self.write_file(
            "/etc/sudoers",
            "Defaults lecture=never\nroot ALL=(ALL:ALL) ALL\n@includedir /etc/sudoers.d\n",
            0o440,
        );
    }
}

fn entry(user: &str) -> String {
    let passwd = std::fs::read_to_string("/etc/passwd").expect("/etc/passwd");
    let found = passwd.lines().find(|line| field(line, 0) == user);
    found
        .unwrap_or_else(|| panic!("the machine has no user {user:?}"))
        .to_owned()
}

fn field(line: &str, number: usize) -> &str {
    line.split(':').nth(number).unwrap_or("")
}

fn append(path: &str, line: &str) {
    let old = std::fs::read_to_string(path).unwrap_or_else(|error| panic!("{path}: {error}"));
    std::fs::write(path, old + line).unwrap_or_else(|error| panic!("{path}: {error}"));
}

fn edit(path: &str, mut rewrite: impl FnMut(&str, &mut String) -> std::fmt::Result) {
    let old = std::fs::read_to_string(path).unwrap_or_else(|error| panic!("{path}: {error}"));
    let mut new = String::new();
    for line in old.lines() {
        rewrite(line, &mut new).expect("writing to a string");
    }
    std::fs::write(path, new).unwrap_or_else(|error| panic!("{path}: {error}"));
}
