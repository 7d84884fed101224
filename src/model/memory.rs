//! What memory is free, and whether a model fits into it.
//!
//! Knows nothing of kinds of models: each estimates its own needs, from shapes alone and before memory is taken.

use std::path::{Path, PathBuf};

use sysinfo::{MemoryRefreshKind, RefreshKind, System};

use super::ModelError;

/// Bytes that a model takes while it works.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct MemoryEstimate {
    /// Weights, as they are kept for computing.
    pub weights: u64,
    /// Caches and activations, for the whole batch.
    pub work: u64,
    /// Of that, the caches of keys and values.
    pub caches: u64,
}

impl MemoryEstimate {
    /// Everything together.
    pub const fn needed(&self) -> u64 {
        self.weights.saturating_add(self.work)
    }

    /// Refuses what does not fit into so much free memory; where the system does not say how much that is
    /// (see [`free_memory`]), it is tried.
    ///
    /// # Errors
    /// [`ModelError::Memory`] with all the figures.
    pub fn check(&self, batch: usize, free: Option<u64>) -> Result<(), ModelError> {
        const MB: u64 = 1_000_000;
        match free {
            Some(free) if self.needed() > free => Err(ModelError::Memory {
                needed_mb: self.needed().div_ceil(MB),
                weights_mb: self.weights.div_ceil(MB),
                work_mb: self.work.div_ceil(MB),
                batch,
                free_mb: free / MB,
            }),
            _ => Ok(()),
        }
    }
}

/// Bytes of memory that new work can have: what the system has left, or less where a control group (a container's
/// limit) allows less. `None` where the system does not say.
pub fn free_memory() -> Option<u64> {
    let kind = RefreshKind::nothing().with_memory(MemoryRefreshKind::nothing().with_ram());
    let system = System::new_with_specifics(kind).ok().map(|system| system.available_memory());
    let system = system.filter(|&bytes| bytes > 0);
    if !cfg!(target_os = "linux") {
        return system;
    }
    let groups = std::fs::read_to_string("/proc/self/cgroup").unwrap_or_default();
    match (system, group_memory(Path::new("/sys/fs/cgroup"), &groups)) {
        (Some(system), Some(group)) => Some(system.min(group)),
        (system, group) => system.or(group),
    }
}

/// The least that this process's control group and those above it leave, from the lines of `/proc/self/cgroup`:
/// `0::/PATH` of the unified hierarchy, `4:memory:/PATH` of the older one.
fn group_memory(mount: &Path, groups: &str) -> Option<u64> {
    let mut least: Option<u64> = None;
    for line in groups.lines() {
        let mut parts = line.splitn(3, ':');
        let (Some(_), Some(controllers), Some(path)) = (parts.next(), parts.next(), parts.next()) else {
            continue;
        };
        let (root, files) = match controllers {
            "" => (mount.to_owned(), ["memory.max", "memory.current", "inactive_file"]),
            _ if controllers.split(',').any(|controller| controller == "memory") => {
                let files = ["memory.limit_in_bytes", "memory.usage_in_bytes", "total_inactive_file"];
                (mount.join("memory"), files)
            }
            _ => continue,
        };
        // Inside a container the path may be the host's, which is not seen here: then only the root counts.
        let own: PathBuf = root.join(path.trim_start_matches('/'));
        for folder in own.ancestors().take_while(|folder| folder.starts_with(&root)) {
            let left = group_left(folder, files);
            least = least.into_iter().chain(left).min();
        }
    }
    least
}

/// What one group leaves: its limit less what it uses, file pages that can be dropped not counted.
fn group_left(folder: &Path, [limit, usage, droppable]: [&str; 3]) -> Option<u64> {
    let read = |name: &str| std::fs::read_to_string(folder.join(name)).ok();
    let number = |name: &str| read(name)?.trim().parse::<u64>().ok(); // `max` is no limit
    let (limit, usage) = (number(limit)?, number(usage)?);
    let stat = read("memory.stat").unwrap_or_default();
    let mut pairs = stat.lines().filter_map(|line| line.split_once(' '));
    let droppable = pairs.find(|(name, _)| *name == droppable).and_then(|(_, n)| n.trim().parse().ok());
    Some(limit.saturating_sub(usage.saturating_sub(droppable.unwrap_or(0))))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_does_not_fit_is_refused_with_figures() {
        let estimate = MemoryEstimate { weights: 3_000_000, work: 500_000, caches: 0 };
        assert!(estimate.check(4, Some(3_500_000)).is_ok() && estimate.check(4, None).is_ok());
        let error = estimate.check(4, Some(3_499_999)).unwrap_err();
        let ModelError::Memory { needed_mb: 4, weights_mb: 3, work_mb: 1, batch: 4, free_mb: 3 } = error
        else {
            panic!("{error}");
        };
        let absurd = MemoryEstimate { weights: u64::MAX, work: 1, caches: 0 };
        assert!(absurd.check(1, Some(1 << 60)).is_err());
    }

    #[test]
    fn the_system_tells() {
        assert!(free_memory().is_some_and(|free| (1 << 20..1 << 50).contains(&free)));
    }

    #[test]
    fn the_tightest_group_counts() {
        let mount = tempfile::tempdir().unwrap();
        let write = |folder: &str, files: &[(&str, &str)]| {
            let folder = mount.path().join(folder);
            std::fs::create_dir_all(&folder).unwrap();
            for (name, text) in files {
                std::fs::write(folder.join(name), text).unwrap();
            }
        };
        let left = |groups: &str| group_memory(mount.path(), groups);
        assert_eq!(left("0::/a/b\n"), None);
        write("a/b", &[("memory.max", "max\n"), ("memory.current", "10\n")]);
        assert_eq!(left("0::/a/b\n"), None);
        write(
            "a",
            &[
                ("memory.max", "1000\n"),
                ("memory.current", "700\n"),
                ("memory.stat", "anon 500\ninactive_file 150\nactive_file 50\n"),
            ],
        );
        assert_eq!(left("0::/a/b\n"), Some(450));
        assert_eq!(left("1:name=systemd:/a\n0::/\n"), None);
        // The older hierarchy, seen from inside of a container: the host's path is not there.
        write(
            "memory",
            &[
                ("memory.limit_in_bytes", "2000"),
                ("memory.usage_in_bytes", "1990"),
                ("memory.stat", "inactive_file 1\ntotal_inactive_file 40\n"),
            ],
        );
        assert_eq!(left("4:cpu,memory:/docker/abc\n"), Some(50));
        assert_eq!(left("4:memory:/docker/abc\n0::/a\n"), Some(50));
        assert_eq!(left("nonsense\n5:cpuset:/\n"), None);
    }
}
