//! Files appear whole or not at all.

use std::fs;
use std::io::Write;

use c3_core::{AtomicFile, Error, LatentFile};

use crate::support;

fn names(folder: &tempfile::TempDir) -> Vec<String> {
    let entries = fs::read_dir(folder.path()).unwrap();
    entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect()
}

#[test]
fn saved_and_opened() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("text.c3");
    support::simple().save(&path, false).unwrap();
    let file = LatentFile::open(&path).unwrap();
    assert_eq!(file.to_context().unwrap(), support::simple());
    assert!(matches!(support::corrected().save(&path, false), Err(Error::Exists(p)) if p == path));
    assert!(matches!(AtomicFile::create(&path, false), Err(Error::Exists(_))), "told too late");
    assert_eq!(LatentFile::open(&path).unwrap().to_context().unwrap(), support::simple());
    support::corrected().save(&path, true).unwrap();
    assert_eq!(LatentFile::open(&path).unwrap().to_context().unwrap(), support::corrected());
    // A file that is open keeps what it was opened with.
    assert_eq!(file.to_context().unwrap(), support::simple());
    assert_eq!(names(&folder), ["text.c3"]);
}

#[test]
fn dropped_without_commit_leaves_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("out");
    let mut file = AtomicFile::create(&path, false).unwrap();
    file.write_all(b"half").unwrap();
    file.flush().unwrap();
    assert_eq!(names(&folder).len(), 1);
    drop(file);
    assert!(names(&folder).is_empty());
}

#[test]
fn a_file_that_appears_meanwhile_is_not_replaced() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("out");
    let mut file = AtomicFile::create(&path, false).unwrap();
    file.write_all(b"ours").unwrap();
    fs::write(&path, "theirs").unwrap();
    assert!(matches!(file.commit(), Err(Error::Exists(_))));
    assert_eq!(fs::read(&path).unwrap(), b"theirs");
    assert_eq!(names(&folder), ["out"]);
}

#[test]
fn folders_and_missing_folders_are_named() {
    let folder = tempfile::tempdir().unwrap();
    let is_folder = AtomicFile::create(folder.path(), true).unwrap_err();
    assert!(matches!(is_folder, Error::IsDirectory(_)));
    assert!(matches!(LatentFile::open(folder.path()), Err(Error::IsDirectory(_))));
    let missing = folder.path().join("no/where");
    let error = AtomicFile::create(&missing, false).unwrap_err();
    assert!(error.to_string().contains("no/where"), "{error}");
    let error = LatentFile::open(&missing).unwrap_err();
    assert!(matches!(error, Error::Path { doing: "open", .. }));
}

#[cfg(unix)]
#[test]
fn permissions_and_links_survive_a_replacement() {
    use std::os::unix::fs::{PermissionsExt, symlink};
    let folder = tempfile::tempdir().unwrap();
    let (real, link) = (folder.path().join("real"), folder.path().join("link"));
    fs::write(&real, "old").unwrap();
    fs::set_permissions(&real, fs::Permissions::from_mode(0o600)).unwrap();
    symlink("real", &link).unwrap();
    let mut file = AtomicFile::create(&link, true).unwrap();
    file.write_all(b"new").unwrap();
    file.commit().unwrap();
    assert!(fs::symlink_metadata(&link).unwrap().is_symlink());
    assert_eq!(fs::read(&real).unwrap(), b"new");
    assert_eq!(fs::metadata(&real).unwrap().permissions().mode() & 0o777, 0o600);
}

#[cfg(target_os = "linux")]
#[test]
fn devices_are_written_to_and_stay() {
    use std::os::unix::fs::FileTypeExt;
    support::simple().save("/dev/null", false).unwrap();
    assert!(fs::metadata("/dev/null").unwrap().file_type().is_char_device());
    let error = support::simple().save("/dev/full", true).unwrap_err();
    let told = std::error::Error::source(&error).unwrap().to_string();
    assert!(told.contains("No space left"), "{error}: {told}");
}
