//! Prompts that keep what they carry: the input whole, rare characters as they are, and nothing done in silence.
//!
//! 1. The input is never cut. If it alone is longer than the model reads, it is the prompt, and the prompt says so.
//! 2. What is left goes to the entries: each wants its own words and as much of its long text as it has. Long texts
//!    share evenly, and what one does not need the others get.
//! 3. An entry of whose long text fewer than [`LEAST_TOKENS`] would remain is dropped, the lowest rank first, and
//!    reported with the reason; without any entry left, the prompt fell back, which is counted.
//! 4. A long text is cut in the original at the end of the last token it may keep, so what is kept stands in the
//!    prompt character by character.
//! 5. Tokens of pieces do not add up to those of the whole. The finished prompt is therefore counted, and long
//!    texts give way until it fits: no prompt with entries exceeds the length.

use std::borrow::Cow;

use super::builder::{PromptBuilder, Retrieved};
use super::error::PromptError;
use super::report::{DroppedEntry, FallBack, Prompt, PromptEntry, PromptStatus};
use super::template::Assembled;
use crate::lamp::{ProfileEntry, Sample};
use crate::model::TextStart;

/// The fewest tokens of a longer text that are worth carrying.
const LEAST_TOKENS: usize = 8;

/// An entry that may be carried.
struct Candidate<'s> {
    index: usize,
    entry: &'s ProfileEntry,
    long: &'s str,
    /// Tokens of its words and short fields.
    fixed: usize,
    /// Its long text's tokens, as many as could ever fit.
    tokens: TextStart,
}

impl Candidate<'_> {
    fn least(&self) -> usize {
        self.tokens.ids.len().min(LEAST_TOKENS)
    }

    /// The byte at which the long text is cut to `granted` tokens.
    fn cut_at(&self, granted: usize) -> usize {
        if self.tokens.complete && granted >= self.tokens.ids.len() {
            return self.long.len();
        }
        let end = granted.checked_sub(1).and_then(|last| self.tokens.ends.get(last)).copied().unwrap_or(0);
        self.long[..end].trim_end().len()
    }
}

pub(super) fn build(
    builder: &PromptBuilder<'_>,
    sample: &Sample,
    entries: &[Retrieved<'_>],
) -> Result<Prompt, PromptError> {
    let template = builder.template;
    let max_length = builder.options.max_length;
    let bare = builder.plain(sample)?;
    if bare.tokens > max_length {
        return Ok(bare);
    }
    let Some(at) = template.place_in(&sample.input) else {
        return Ok(fell_back(bare, FallBack::NoPlace, Vec::new()));
    };
    let system = system_text(builder);
    let frame = builder.count(sample, &template.assemble(&[], &sample.input, at, &system).text)?;
    let Some(room) = max_length.checked_sub(frame) else {
        let dropped = entries.iter().map(|&(index, entry)| dropped(index, entry, FallBack::NoRoom)).collect();
        return Ok(fell_back(bare, FallBack::NoRoom, dropped));
    };

    let mut out = Vec::new();
    let mut carried = Vec::with_capacity(entries.len());
    for &(index, entry) in entries {
        match candidate(builder, sample, (index, entry), room)? {
            Ok(candidate) => carried.push(candidate),
            Err(reason) => out.push(dropped(index, entry, reason)),
        }
    }
    // What the long texts may take in all; lowered whenever the whole turns out longer than its pieces.
    let mut less = 0;
    loop {
        let Some(granted) = deal(&carried, room, builder.joiner, less) else {
            match carried.pop() {
                Some(last) => out.push(dropped(last.index, last.entry, FallBack::NoRoom)),
                None => break,
            }
            less = 0;
            continue;
        };
        let texts: Vec<_> = carried
            .iter()
            .zip(&granted)
            .map(|(candidate, &granted)| (candidate.entry, &candidate.long[..candidate.cut_at(granted)]))
            .collect();
        let assembled = template.assemble(&texts, &sample.input, at, &system);
        let prompt = finish(builder, sample, &carried, &granted, assembled)?;
        if prompt.tokens <= max_length {
            out.sort_by_key(|dropped| entries.iter().position(|(index, _)| *index == dropped.index));
            return Ok(Prompt { dropped: out, ..prompt });
        }
        let spare = room.saturating_sub(taken(&carried, builder.joiner));
        let unused = spare.saturating_sub(granted.iter().sum());
        less = less.max(unused) + (prompt.tokens - max_length);
    }
    out.sort_by_key(|dropped| entries.iter().position(|(index, _)| *index == dropped.index));
    let all_lack = out.iter().find(|dropped| dropped.reason != FallBack::NoRoom);
    let reason = match all_lack {
        Some(lacking) if out.iter().all(|dropped| dropped.reason != FallBack::NoRoom) => {
            lacking.reason.clone()
        }
        _ => FallBack::NoRoom,
    };
    Ok(fell_back(bare, reason, out))
}

fn system_text<'b>(builder: &PromptBuilder<'b>) -> Cow<'b, str> {
    builder.template.file().clean_system.as_deref().unwrap_or_default().into()
}

fn fell_back(bare: Prompt, reason: FallBack, dropped: Vec<DroppedEntry>) -> Prompt {
    Prompt { status: PromptStatus::FellBack { reason }, dropped, ..bare }
}

fn dropped(index: usize, entry: &ProfileEntry, reason: FallBack) -> DroppedEntry {
    DroppedEntry { index, id: entry.id.clone(), reason }
}

/// Measures an entry, or says why it cannot be carried even alone.
fn candidate<'s>(
    builder: &PromptBuilder<'_>,
    sample: &Sample,
    (index, entry): Retrieved<'s>,
    room: usize,
) -> Result<Result<Candidate<'s>, FallBack>, PromptError> {
    if let Some(field) = builder.template.missing_field(entry) {
        return Ok(Err(FallBack::MissingField { entry: entry.id.clone(), field: field.to_owned() }));
    }
    let long = builder.template.cut_text(entry).unwrap_or_default();
    let (words, _) = builder.template.entry_text(entry, "");
    let fixed = builder.start(sample, &words, room.saturating_add(1))?.ids.len();
    let tokens = builder.start(sample, long, room)?;
    let candidate = Candidate { index, entry, long, fixed, tokens };
    let fits = candidate.fixed + candidate.least() <= room;
    Ok(if fits { Ok(candidate) } else { Err(FallBack::NoRoom) })
}

/// Tokens that the entries take without their long texts.
fn taken(carried: &[Candidate<'_>], joiner: usize) -> usize {
    let fixed: usize = carried.iter().map(|candidate| candidate.fixed).sum();
    fixed + joiner * carried.len().saturating_sub(1)
}

/// The tokens of each long text; `None` if one would get too few to be worth it, or if there is none.
fn deal(carried: &[Candidate<'_>], room: usize, joiner: usize, less: usize) -> Option<Vec<usize>> {
    let spare = room.checked_sub(taken(carried, joiner))?.checked_sub(less)?;
    let needs: Vec<usize> = carried.iter().map(|candidate| candidate.tokens.ids.len()).collect();
    let granted = share(&needs, spare);
    let enough = carried.iter().zip(&granted).all(|(candidate, &granted)| granted >= candidate.least());
    (enough && !carried.is_empty()).then_some(granted)
}

/// Shares `spare` evenly: nobody gets more than needed, what is left over goes to the others, and an odd rest to
/// the first in order.
fn share(needs: &[usize], spare: usize) -> Vec<usize> {
    let mut order: Vec<usize> = (0..needs.len()).collect();
    order.sort_by_key(|&i| needs[i]);
    let mut granted = needs.to_vec();
    let mut spare = spare;
    for (done, &i) in order.iter().enumerate() {
        let sharers = needs.len() - done;
        if needs[i] * sharers > spare {
            // From here on nobody gets all; the needs are at least as large as this one.
            let mut rest = order[done..].to_vec();
            rest.sort_unstable();
            for (place, &i) in rest.iter().enumerate() {
                granted[i] = needs[i].min(spare / sharers + usize::from(place < spare % sharers));
            }
            break;
        }
        spare -= needs[i];
    }
    granted
}

fn finish(
    builder: &PromptBuilder<'_>,
    sample: &Sample,
    carried: &[Candidate<'_>],
    granted: &[usize],
    assembled: Assembled,
) -> Result<Prompt, PromptError> {
    let entries = carried.iter().zip(granted).map(|(candidate, &granted)| {
        let cut_at = candidate.cut_at(granted);
        PromptEntry {
            index: candidate.index,
            id: candidate.entry.id.clone(),
            fixed: candidate.fixed,
            granted: Some(granted),
            kept: candidate.tokens.ids.len().min(granted),
            cut: (cut_at < candidate.long.len()).then_some(cut_at..candidate.long.len()),
            rewritten: false,
            span: 0..0,
            long: 0..0,
        }
    });
    builder.finish(sample, assembled, entries.collect(), PromptStatus::Personalized)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shares_are_even_and_leave_nothing() {
        assert_eq!(share(&[10, 2, 10], 14), [6, 2, 6]);
        assert_eq!(share(&[10, 2, 10], 15), [7, 2, 6]);
        assert_eq!(share(&[3, 3], 100), [3, 3]);
        assert_eq!(share(&[5, 5, 5], 5), [2, 2, 1]);
        assert_eq!(share(&[5, 0, 5], 0), [0, 0, 0]);
        assert_eq!(share(&[], 7), [0; 0]);
    }

    proptest::proptest! {
        #[test]
        fn a_share_is_needed_fair_and_spends_what_it_can(
            needs in proptest::collection::vec(0_usize..50, 0..20),
            spare in 0_usize..400,
        ) {
            let granted = share(&needs, spare);
            let total: usize = granted.iter().sum();
            assert_eq!(total, spare.min(needs.iter().sum()));
            for (i, &mine) in granted.iter().enumerate() {
                assert!(mine <= needs[i]);
                // Who got less than needed got no less than anyone else, but for the odd token.
                assert!(mine == needs[i] || granted.iter().all(|&other| other <= mine + 1));
            }
        }
    }
}
