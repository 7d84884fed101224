//! What to cite: the program, the benchmark, and where published figures are from.

use std::collections::BTreeMap;

use crate::lamp::published_figures;

/// The benchmark's paper and this program, as BibTeX.
pub fn bibtex() -> String {
    format!(
        "@inproceedings{{salemi-etal-2024-lamp,\n  \
           title = {{{{LaMP}}: When Large Language Models Meet Personalization}},\n  \
           author = {{Salemi, Alireza and Mysore, Sheshera and Bendersky, Michael and Zamani, Hamed}},\n  \
           booktitle = {{Proceedings of the 62nd Annual Meeting of the Association for Computational Linguistics (Volume 1: Long \
           Papers)}},\n  \
           year = {{2024}},\n  \
           pages = {{7370--7392}},\n  \
           doi = {{10.18653/v1/2024.acl-long.399}}\n\
         }}\n\n\
         @software{{lamplight,\n  \
           title = {{Lamplight: measures how well a language model uses a person's history}},\n  \
           version = {{{}}}\n\
         }}\n",
        env!("CARGO_PKG_VERSION")
    )
}

/// Where the shipped published figures are from: each source with its tables, and how many figures it gives.
pub fn sources() -> Vec<(&'static str, Vec<&'static str>, usize)> {
    let mut found: BTreeMap<&str, (Vec<&str>, usize)> = BTreeMap::new();
    for figure in published_figures() {
        let (tables, count) = found.entry(figure.source).or_default();
        if !tables.contains(&figure.table) {
            tables.push(figure.table);
        }
        *count += 1;
    }
    found.into_iter().map(|(source, (tables, count))| (source, tables, count)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn entries_are_closed_and_name_the_version() {
        let text = bibtex();
        assert_eq!(text.matches('{').count(), text.matches('}').count());
        assert_eq!(text.matches('@').count(), 2);
        assert!(text.contains(env!("CARGO_PKG_VERSION")));
    }

    #[test]
    fn every_published_figure_has_its_source() {
        assert_eq!(sources().iter().map(|(.., count)| count).sum::<usize>(), published_figures().len());
    }
}
