//! The budget of the official code, bit for bit.
//!
//! The input may take up to a share of the length; the rest is dealt evenly to the entries, each passing on what
//! it leaves. Where that does not work out, the input's share shrinks by a tenth, and in the end the entries are
//! given up. Lengths are signed, since running below zero is what tells the official code that an attempt failed.

use super::builder::{PromptBuilder, Retrieved};
use super::error::PromptError;
use super::report::{FallBack, Prompt, PromptEntry, PromptStatus};
use crate::lamp::Sample;
use crate::model::{TextStart, clean_up_spaces};

/// What of an entry is measured once and used by every attempt.
#[derive(Default)]
struct Measured {
    fixed: Option<usize>,
    /// The long text's first tokens, and how many were asked for.
    start: Option<(usize, TextStart)>,
}

/// A long text as an attempt leaves it.
struct Kept {
    text: String,
    entry: PromptEntry,
}

pub(super) fn build(
    builder: &PromptBuilder<'_>,
    sample: &Sample,
    entries: &[Retrieved<'_>],
) -> Result<Prompt, PromptError> {
    let template = builder.template;
    let Some(at) = template.place_in(&sample.input) else {
        return builder.fall_back(sample, FallBack::NoPlace);
    };
    for (_, entry) in entries {
        if let Some(field) = template.missing_field(entry) {
            let (entry, field) = (entry.id.clone(), field.to_owned());
            return builder.fall_back(sample, FallBack::MissingField { entry, field });
        }
    }
    let max_length = builder.options.max_length as f64;
    let mut measured: Vec<Measured> = entries.iter().map(|_| Measured::default()).collect();
    // No share is larger than the first, so an input longer than that need not be read to its end.
    let mut factor: f64 = 0.6;
    let input = builder.start(sample, &sample.input, (max_length * factor) as usize + 1)?;
    let input_tokens = input.ids.len() + builder.special_tokens();
    let mut attempts = 0;
    let mut tried = factor;
    while factor >= 0.0 {
        attempts += 1;
        tried = factor;
        let share = input_tokens.min((max_length * factor) as usize);
        if let Some(kept) = attempt(builder, sample, entries, &mut measured, share)? {
            let texts: Vec<_> =
                entries.iter().zip(&kept).map(|((_, entry), kept)| (*entry, kept.text.as_str())).collect();
            let assembled = template.assemble(&texts, &sample.input, at, "");
            let kept = kept.into_iter().map(|kept| kept.entry).collect();
            let prompt = builder.finish(sample, assembled, kept, PromptStatus::Personalized)?;
            return Ok(Prompt { attempts, factor: Some(tried), ..prompt });
        }
        factor -= 0.1; // in binary, as in the reference: the seventh share is a hair above 0
    }
    let prompt = builder.fall_back(sample, FallBack::NoRoom)?;
    Ok(Prompt { attempts, factor: Some(tried), ..prompt })
}

/// Deals the length to the entries with `share` tokens set aside for the input; `None` if a length runs below zero.
fn attempt(
    builder: &PromptBuilder<'_>,
    sample: &Sample,
    entries: &[Retrieved<'_>],
    measured: &mut [Measured],
    share: usize,
) -> Result<Option<Vec<Kept>>, PromptError> {
    let count = entries.len() as i64;
    let budget = builder.options.max_length as i64 - share as i64;
    let set_aside = builder.reserve + builder.joiner as i64 * (count - 1);
    let each = (budget - set_aside).div_euclid(count); // rounds down, below zero too
    let special = builder.special_tokens();
    let mut saved = 0;
    let mut all = Vec::with_capacity(entries.len());
    for (&(index, entry), measured) in entries.iter().zip(measured) {
        let fixed = match measured.fixed {
            Some(fixed) => fixed,
            None => *measured.fixed.insert(fixed_tokens(builder, sample, entry)?),
        };
        let Ok(limit) = usize::try_from(each + saved - fixed as i64) else {
            return Ok(None);
        };
        // A limit that the special tokens alone exceed wraps around in the reference, and so limits nothing.
        let granted = limit.checked_sub(special);
        let long = builder.template.cut_text(entry).unwrap_or_default();
        let wanted = granted.unwrap_or(usize::MAX);
        let start = match measured.start.take() {
            Some((asked, start)) if start.complete || asked >= wanted => (asked, start),
            _ => (wanted, builder.start(sample, long, wanted)?),
        };
        let (_, tokens) = &*measured.start.insert(start);
        let kept = tokens.ids.len().min(wanted);
        let text = clean_up_spaces(builder.decode(sample, &tokens.ids[..kept])?);
        let cut_at = match kept < tokens.ids.len() || !tokens.complete {
            true => kept.checked_sub(1).map_or(0, |last| tokens.ends[last]),
            false => long.len(),
        };
        saved += each - (kept + special) as i64 - fixed as i64;
        let entry = PromptEntry {
            index,
            id: entry.id.clone(),
            fixed,
            granted,
            kept,
            cut: (cut_at < long.len()).then_some(cut_at..long.len()),
            rewritten: text != long[..cut_at],
            span: 0..0,
            long: 0..0,
        };
        all.push(Kept { text, entry });
    }
    Ok(Some(all))
}

/// What an entry costs beside its long text.
fn fixed_tokens(
    builder: &PromptBuilder<'_>,
    sample: &Sample,
    entry: &crate::lamp::ProfileEntry,
) -> Result<usize, PromptError> {
    match builder.template.file().budget.as_ref().and_then(|budget| budget.entry_tokens) {
        Some(tokens) => Ok(tokens),
        None => builder.count(sample, &builder.template.measured_text(entry)),
    }
}
