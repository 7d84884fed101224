//! What Hugging Face's own programs have downloaded before: `models--OWNER--NAME/snapshots/COMMIT`, read only.

use std::path::{Path, PathBuf};

use super::listing::is_commit;

/// The commit that a revision stood for when it was last looked up, and the folder with its files.
pub(super) fn snapshot(cache: &Path, repository: &str, revision: &str) -> Option<(String, PathBuf)> {
    let folder = cache.join(format!("models--{}", repository.replace('/', "--")));
    let commit = if is_commit(revision) {
        revision.to_owned()
    } else {
        let mut path = folder.join("refs");
        for part in revision.split('/') {
            if matches!(part, "" | "." | "..") || part.contains(['\\', ':']) {
                return None;
            }
            path.push(part);
        }
        std::fs::read_to_string(path).ok()?.trim().to_owned()
    };
    if !is_commit(&commit) {
        return None;
    }
    let snapshot = folder.join("snapshots").join(&commit);
    snapshot.is_dir().then_some((commit, snapshot))
}
