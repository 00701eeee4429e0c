//! Files that are not what they should be: each has its own error, and none is ever taken for "not enrolled".

use std::os::unix::fs::{chown, symlink};
use std::os::unix::net::UnixListener;

use rustix::fs::{FileType, Mode, makedev, mknodat};
use rustix::io::Errno;

use super::*;
use twofactor_core::state::{FILE_LEN, StateError, encode, encode_file};

/// Damage to a good file.
#[derive(Debug, Clone, Copy)]
enum Spoiled {
    Link,
    DanglingLink,
    Fifo,
    Socket,
    Directory,
    Device,
    OtherOwner,
    Mode(u32),
    TooLarge,
}

use Spoiled::{DanglingLink, Directory, Fifo, Link, OtherOwner, Socket, TooLarge};

const ALWAYS: [Spoiled; 8] = [
    Link,
    DanglingLink,
    Fifo,
    Socket,
    Directory,
    Spoiled::Device,
    OtherOwner,
    TooLarge,
];

/// Spoils the file and says what the error must be.
fn spoil(path: &Path, how: Spoiled) -> FileError {
    let good = path.with_extension("good");
    let special = |kind, device| {
        fs::remove_file(path).unwrap();
        mknodat(CWD, path, kind, Mode::RUSR | Mode::WUSR, device).unwrap();
    };
    match how {
        Link => {
            fs::rename(path, &good).unwrap();
            symlink(&good, path).unwrap();
        }
        DanglingLink => {
            fs::remove_file(path).unwrap();
            symlink(&good, path).unwrap();
        }
        Fifo => special(FileType::Fifo, 0),
        Socket => {
            fs::remove_file(path).unwrap();
            drop(UnixListener::bind(path).unwrap());
            set_mode(path, 0o600);
        }
        Directory => {
            fs::remove_file(path).unwrap();
            fs::DirBuilder::new().mode(0o700).create(path).unwrap();
        }
        Spoiled::Device => {
            special(FileType::CharacterDevice, makedev(1, 3));
            // If the file system allows no devices, the kernel is faster than the check.
            if fs::File::open(path).is_err() {
                return FileError::System("open", Errno::ACCESS);
            }
        }
        OtherOwner => {
            chown(path, Some(1000), None).unwrap();
            return FileError::NotRoots;
        }
        Spoiled::Mode(mode) => {
            set_mode(path, mode);
            return FileError::TooOpen(mode);
        }
        TooLarge => {
            let file = fs::OpenOptions::new().write(true).open(path).unwrap();
            file.set_len(64 * 1024 + 1).unwrap();
            return FileError::TooLarge;
        }
    }
    FileError::WrongType
}

fn private() -> impl Iterator<Item = Spoiled> {
    let modes = [
        0o640, 0o620, 0o610, 0o604, 0o602, 0o601, 0o660, 0o644, 0o4640,
    ];
    ALWAYS.into_iter().chain(modes.map(Spoiled::Mode))
}

#[test]
fn an_unsafe_record_is_an_error_and_never_unenrolled() {
    for how in private() {
        let (scratch, store) = enrolled();
        let expected = unusable(&scratch.record(), spoil(&scratch.record(), how));
        assert_eq!(store.record(&alice()).unwrap_err(), expected, "{how:?}");
        assert_eq!(store.record_named("alice").unwrap_err(), expected);
        assert_eq!(
            store.lock_for_change(&alice()).err(),
            Some(expected.clone())
        );
        let locked = store.lock(&alice()).unwrap();
        assert_eq!(locked.record().unwrap_err(), expected);
        assert!(!expected.is_missing() && !expected.fixed_by_unlock());
    }
}

#[test]
fn an_unsafe_state_is_an_error_and_never_made_anew() {
    for how in private() {
        let (scratch, store) = enrolled();
        let expected = unusable(&scratch.state(), spoil(&scratch.state(), how));
        assert_eq!(
            store.lock(&alice()).err(),
            Some(expected.clone()),
            "{how:?}"
        );
        assert_eq!(
            store.lock_for_change(&alice()).err(),
            Some(expected.clone())
        );
        assert_eq!(store.rebuild(&alice(), 1, 0).err(), Some(expected.clone()));
        assert!(!expected.is_missing() && !expected.fixed_by_unlock());
    }
}

#[test]
fn an_unsafe_policy_is_an_error() {
    let modes = [0o664, 0o646, 0o666, 0o622, 0o602];
    for how in ALWAYS.into_iter().chain(modes.map(Spoiled::Mode)) {
        let scratch = ScratchStore::new();
        let path = scratch.path().join("policy.toml");
        fs::write(&path, "enabled = true\n").unwrap();
        let file = PolicyFile::new(&path);
        let mut loaded = file.load().unwrap();
        let expected = unusable(&path, spoil(&path, how));
        assert_eq!(file.load().unwrap_err(), expected, "{how:?}");
        assert_eq!(file.refresh(&mut loaded).unwrap_err(), expected);
        let edit = |_: Option<&str>| Ok("enabled = false\n".to_owned());
        let edited: Result<_, StoreError> =
            file.edit((Some(&scratch.store()), LockWait::Short), edit);
        assert_eq!(edited.unwrap_err(), expected);
        assert!(!expected.is_missing());
    }
}

#[test]
fn others_may_read_the_policy() {
    let scratch = ScratchStore::new();
    let path = scratch.path().join("policy.toml");
    fs::write(&path, "enabled = true\n").unwrap();
    for mode in [0o600, 0o640, 0o644, 0o444] {
        set_mode(&path, mode);
        assert!(PolicyFile::new(&path).load().is_ok());
    }
}

#[test]
fn a_file_of_exactly_64_kib_is_read() {
    let (scratch, store) = enrolled();
    let mut text = fs::read_to_string(scratch.record()).unwrap();
    text.extend(std::iter::repeat_n('#', 64 * 1024 - text.len()));
    fs::write(scratch.record(), &text).unwrap();
    assert!(store.record(&alice()).unwrap().is_some());
    fs::write(scratch.record(), text + "#").unwrap();
    let expected = unusable(&scratch.record(), FileError::TooLarge);
    assert_eq!(store.record(&alice()).unwrap_err(), expected);
}

#[test]
fn a_damaged_record_is_an_error_that_quotes_nothing() {
    let (scratch, store) = enrolled();
    let good = fs::read_to_string(scratch.record()).unwrap();
    let secret = phone().secret.to_base32();
    let cut = good.find("[[device]]").unwrap();
    for (content, text) in [
        ("", "is not a valid record (line 1, column 1)"),
        ("\0\0\0\0", "is not a valid record (line 1, column 5)"),
        (&good[..cut], "has no device"),
        (
            &good.replace("uid = 1000", "uid = 1000\nuid = 1"),
            "is not a valid record (line 6, column 1)",
        ),
        (
            &good.replace("format = 1", "format = 7"),
            &format!(
                "has format 7, written by twofactor {}; this program reads format 1",
                twofactor_core::VERSION
            ),
        ),
    ] {
        fs::write(scratch.record(), content).unwrap();
        let error = store.record(&alice()).unwrap_err();
        assert_eq!(
            error.to_string(),
            format!("{}: {text}", scratch.record().display())
        );
        assert!(matches!(error.cause, FileFault::Record(_)));
        assert!(!error.is_missing() && !error.fixed_by_unlock());
    }
    // Cut anywhere, it is an error.
    for end in 0..good.len() - 2 {
        fs::write(scratch.record(), &good[..end]).unwrap();
        let error = store.record(&alice()).unwrap_err().to_string();
        assert!(!error.contains(&secret[..4]), "{error}");
    }
}

#[test]
fn text_that_is_not_utf8_is_an_error() {
    let (scratch, store) = enrolled();
    let mut bytes = fs::read(scratch.record()).unwrap();
    bytes.push(0xff);
    fs::write(scratch.record(), &bytes).unwrap();
    let expected = error_at(&scratch.record(), FileFault::NotUtf8);
    assert_eq!(store.record(&alice()).unwrap_err(), expected);
    let policy = scratch.path().join("policy.toml");
    fs::write(&policy, b"enabled = true # \xff").unwrap();
    let expected = error_at(&policy, FileFault::NotUtf8);
    assert_eq!(PolicyFile::new(&policy).load().unwrap_err(), expected);
}

#[test]
fn a_damaged_state_is_an_error_until_unlock() {
    let (scratch, store) = enrolled();
    let good = fs::read(scratch.state()).unwrap();
    let half = FILE_LEN / 2;
    for (content, why) in [
        (Vec::new(), StateError::Length),
        (good[..FILE_LEN - 1].to_vec(), StateError::Length),
        ([good.clone(), vec![0]].concat(), StateError::Length),
        (vec![0; FILE_LEN], StateError::Damaged),
        (vec![0xff; FILE_LEN], StateError::Damaged),
    ] {
        fs::write(scratch.state(), &content).unwrap();
        let expected = error_at(&scratch.state(), FileFault::State(why));
        assert_eq!(store.lock(&alice()).err(), Some(expected.clone()));
        assert_eq!(
            store.lock_for_change(&alice()).err(),
            Some(expected.clone())
        );
        assert!(expected.fixed_by_unlock());
        assert_eq!(fs::read(scratch.state()).unwrap(), content);
    }
    // One good half is enough.
    let torn = [vec![0xff; half], good[half..].to_vec()].concat();
    fs::write(scratch.state(), torn).unwrap();
    assert!(store.lock(&alice()).is_ok());
}

#[test]
fn a_missing_state_beside_a_record_is_an_error() {
    let (scratch, store) = enrolled();
    fs::remove_file(scratch.state()).unwrap();
    let expected = error_at(&scratch.state(), FileFault::MissingState);
    assert_eq!(store.lock(&alice()).err(), Some(expected.clone()));
    assert_eq!(
        store.lock_for_change(&alice()).err(),
        Some(expected.clone())
    );
    assert!(expected.fixed_by_unlock() && !expected.is_missing());
    assert_eq!(scratch.listing(), ["users/alice.toml"]);
}

#[test]
fn a_state_that_does_not_know_a_device_is_an_error() {
    let (scratch, store) = enrolled();
    let mut text = fs::read_to_string(scratch.record()).unwrap();
    text = text.replace(&phone().id.to_string(), "00000000000000ff");
    fs::write(scratch.record(), text).unwrap();
    let locked = store.lock(&alice()).unwrap();
    let expected = error_at(&scratch.state(), FileFault::UnknownDevice("phone".into()));
    assert_eq!(locked.record().unwrap_err(), expected);
    assert!(expected.fixed_by_unlock());
}

#[test]
fn another_uid_under_the_same_name_is_refused() {
    let (scratch, store) = enrolled();
    let successor = account("alice", 1001);
    let other = FileFault::OtherUid {
        recorded: 1000,
        current: 1001,
    };
    let record_error = error_at(&scratch.record(), other.clone());
    assert_eq!(store.record(&successor).unwrap_err(), record_error);
    assert_eq!(store.lock_for_change(&successor).err(), Some(record_error));
    let state_error = error_at(&scratch.state(), other);
    assert_eq!(store.lock(&successor).err(), Some(state_error.clone()));
    assert!(!state_error.fixed_by_unlock());
    assert_eq!(store.record_named("alice").unwrap().unwrap().uid, 1000);
    // The files that a former user left can be removed, and then the name is free.
    store.discard("alice").unwrap();
    assert!(store.record(&successor).unwrap().is_none());
    enroll_devices(&store, &successor, &[phone()]);
    assert_eq!(store.record(&successor).unwrap().unwrap().uid, 1001);
}

#[test]
fn a_record_that_names_another_user_is_refused() {
    let (scratch, store) = enrolled();
    let bob = account("bob", 1000);
    fs::copy(scratch.record(), scratch.top().join("users/bob.toml")).unwrap();
    let path = scratch.top().join("users/bob.toml");
    let error = store.record(&bob).unwrap_err();
    assert_eq!(error, error_at(&path, FileFault::OtherUser("alice".into())));
    let text = "is the record of another user: \"alice\"";
    assert_eq!(error.to_string(), format!("{}: {text}", path.display()));
}

#[test]
fn a_state_of_another_format_is_left_alone() {
    let (scratch, store) = enrolled();
    let mut slot = encode(&UserState::new(1000), 9);
    slot[4] = 3;
    let digest = <sha2::Sha256 as sha2::Digest>::digest(&slot[..slot.len() - 8]);
    let end = slot.len() - 8;
    slot[end..].copy_from_slice(&digest[..8]);
    let mut file = encode_file(&UserState::new(1000));
    file[..slot.len()].copy_from_slice(&slot);
    fs::write(scratch.state(), &file).unwrap();
    let error = store.lock(&alice()).err().unwrap();
    assert!(matches!(
        error.cause,
        FileFault::State(StateError::Version(3, _))
    ));
    assert!(!error.fixed_by_unlock());
    assert_eq!(store.rebuild(&alice(), 1, 0).err(), Some(error));
    assert_eq!(fs::read(scratch.state()).unwrap(), file);
}

#[test]
fn an_error_names_all_its_causes() {
    use std::error::Error as _;
    let path = Path::new("/x");
    let origin = |cause: FileFault| error_at(path, cause).source().map(ToString::to_string);
    let file = FileError::System("open", rustix::io::Errno::IO);
    assert_eq!(origin(FileFault::File(file)), Some(file.to_string()));
    let state = twofactor_core::state::StateError::Damaged;
    assert_eq!(
        origin(FileFault::State(state.clone())),
        Some(state.to_string())
    );
    let policy = twofactor_core::policy::parse("enabled = maybe").unwrap_err();
    assert_eq!(
        origin(FileFault::Policy(policy.clone())),
        Some(policy.to_string())
    );
    let record = UserRecord::parse("format = 1").unwrap_err();
    assert_eq!(
        origin(FileFault::Record(record.clone())),
        Some(record.to_string())
    );
    assert_eq!(origin(FileFault::MissingState), None);
}
