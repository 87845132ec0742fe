use std::fs::{self, Permissions};
use std::os::unix::fs::{MetadataExt, PermissionsExt, symlink};

use super::*;

const NONE: Duration = Duration::ZERO;

fn mode(path: &Path) -> u32 {
    fs::metadata(path).unwrap().mode() & 0o777
}

fn set_mode(path: &Path, mode: u32) {
    fs::set_permissions(path, Permissions::from_mode(mode)).unwrap();
}

#[test]
fn the_first_start_makes_everything_for_this_user_alone() {
    let parent = tempfile::tempdir().unwrap();
    let path = parent.path().join("var/lib/seawall");
    let folder = StateFolder::open(&path).unwrap();
    let token = folder.admin_token().unwrap();
    folder.sealer().unwrap();
    let writer = folder.writer(NONE).unwrap();
    writer.save_rules(b"{}").unwrap();
    assert_eq!(mode(&path), 0o700);
    for entry in fs::read_dir(&path).unwrap() {
        let entry = entry.unwrap().path();
        assert_eq!(mode(&entry), 0o600, "{}", entry.display());
    }
    assert_eq!(fs::read_dir(&path).unwrap().count(), 5);
    assert_eq!(token.text().len(), 64);
    assert_eq!(fs::read(path.join(RECEIPT_KEY)).unwrap().len(), KEY_BYTES);
}

#[test]
fn secrets_stay_the_same_and_differ_between_installations() {
    let (one, two) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let first = StateFolder::open(one.path()).unwrap();
    let token = first.admin_token().unwrap().text().to_owned();
    first.sealer().unwrap();
    let key = fs::read(one.path().join(RECEIPT_KEY)).unwrap();
    let again = StateFolder::open(one.path()).unwrap();
    again.sealer().unwrap();
    assert_eq!(again.admin_token().unwrap().text(), token);
    assert_eq!(fs::read(one.path().join(RECEIPT_KEY)).unwrap(), key);
    let other = StateFolder::open(two.path()).unwrap();
    other.sealer().unwrap();
    assert_ne!(other.admin_token().unwrap().text(), token);
    assert_ne!(fs::read(two.path().join(RECEIPT_KEY)).unwrap(), key);
}

#[test]
fn processes_that_start_together_end_with_one_key() {
    let folder = tempfile::tempdir().unwrap();
    let opened = StateFolder::open(folder.path()).unwrap();
    let tokens: Vec<String> = std::thread::scope(|scope| {
        let threads: Vec<_> =
            (0..8).map(|_| scope.spawn(|| opened.admin_token().unwrap().text().to_owned())).collect();
        threads.into_iter().map(|thread| thread.join().unwrap()).collect()
    });
    assert!(tokens.iter().all(|token| *token == tokens[0]));
}

#[test]
fn a_folder_that_others_can_write_is_refused_with_the_command_to_run() {
    let folder = tempfile::tempdir().unwrap();
    for bits in [0o770, 0o707, 0o720, 0o702] {
        set_mode(folder.path(), bits);
        for error in [StateFolder::open(folder.path()), StateFolder::open_to_read(folder.path())] {
            let message = error.unwrap_err().to_string();
            assert!(message.contains(&format!("`chmod go-w {}`", folder.path().display())), "{message}");
        }
    }
    set_mode(folder.path(), 0o755);
    StateFolder::open(folder.path()).unwrap();
}

#[test]
fn a_secret_that_others_can_read_is_refused_with_the_command_to_run() {
    let folder = tempfile::tempdir().unwrap();
    let opened = StateFolder::open(folder.path()).unwrap();
    opened.sealer().unwrap();
    let path = folder.path().join(RECEIPT_KEY);
    set_mode(&path, 0o640);
    let message = opened.sealer().unwrap_err().to_string();
    assert!(message.contains(&format!("`chmod 600 {}`", path.display())), "{message}");
    set_mode(&path, 0o600);
    opened.sealer().unwrap();
}

#[test]
fn a_folder_of_another_user_is_refused() {
    // Only root can make one; elsewhere `/` is one.
    let folder = tempfile::tempdir().unwrap();
    let path = if rustix::process::geteuid().is_root() {
        std::os::unix::fs::chown(folder.path(), Some(12_345), None).unwrap();
        folder.path()
    } else {
        Path::new("/")
    };
    let error = StateFolder::open(path).unwrap_err();
    assert!(matches!(error, StateError::Owner { .. }), "{error}");
}

#[test]
fn damaged_secrets_and_odd_files_are_errors() {
    let folder = tempfile::tempdir().unwrap();
    let opened = StateFolder::open(folder.path()).unwrap();
    file::create(&folder.path().join(RECEIPT_KEY), b"short").unwrap();
    assert!(matches!(opened.sealer().unwrap_err(), StateError::Damaged { .. }));
    file::create(&folder.path().join(ADMIN_TOKEN), b"too short\n").unwrap();
    assert!(matches!(opened.admin_token().unwrap_err(), StateError::Damaged { .. }));
    fs::remove_file(folder.path().join(RECEIPT_KEY)).unwrap();
    symlink("/dev/zero", folder.path().join(RECEIPT_KEY)).unwrap();
    assert!(matches!(opened.sealer().unwrap_err(), StateError::NotAFile(_)));
    let file = folder.path().join("file");
    fs::write(&file, "").unwrap();
    assert!(StateFolder::open_to_read(&file).is_err());
}

#[test]
fn reading_makes_nothing() {
    let parent = tempfile::tempdir().unwrap();
    assert!(StateFolder::open_to_read(&parent.path().join("none")).is_err());
    let folder = StateFolder::open_to_read(parent.path()).unwrap();
    let message = folder.sealer().unwrap_err().to_string();
    assert!(message.contains("`seawall serve` makes it at its first start"), "{message}");
    assert!(folder.read_archive().unwrap().is_empty());
    assert_eq!(fs::read_dir(parent.path()).unwrap().count(), 0);
}

#[test]
fn the_rulebook_has_one_writer_and_the_next_may_wait_for_it() {
    let folder = tempfile::tempdir().unwrap();
    let opened = StateFolder::open(folder.path()).unwrap();
    let first = opened.writer(NONE).unwrap();
    let message = opened.writer(NONE).unwrap_err().to_string();
    assert!(message.contains(&format!("in use by process {}", std::process::id())), "{message}");
    std::thread::scope(|scope| {
        let second = scope.spawn(|| opened.writer(Duration::from_secs(30)));
        drop(first);
        assert!(second.join().unwrap().is_ok());
    });
}

#[test]
fn the_writer_removes_what_a_crash_left() {
    let folder = tempfile::tempdir().unwrap();
    let opened = StateFolder::open(folder.path()).unwrap();
    let left = folder.path().join(format!("{}7-rules.json", file::TEMPORARY));
    fs::write(&left, "half").unwrap();
    let writer = opened.writer(NONE).unwrap();
    assert!(!left.exists());
    assert_eq!(writer.load_rules().unwrap(), None);
    writer.save_rules(b"one").unwrap();
    writer.save_rules(b"two").unwrap();
    assert_eq!(writer.load_rules().unwrap().unwrap(), b"two");
}
