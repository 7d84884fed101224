//! Cuts a stream of bytes into the records of one JSON array, in bounded memory.
//!
//! Knows the two shapes in which LaMP's files come, an array of objects and an object with such an array under
//! `golds`, and nothing of what stands in a record: whoever takes one parses it.

use memchr::memchr2;

/// The longest record, in bytes: many times LaMP's longest, and what bounds the memory.
pub const LONGEST_RECORD: usize = 256 << 20;
/// The most that may stand around the array, in bytes.
const LONGEST_ENVELOPE: usize = 64 << 10;
const ARRAY_KEY: &[u8] = b"golds";

/// Why bytes are not an array of records.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SplitError {
    /// It is a web page.
    #[error("it is an HTML page, not JSON; the address may be wrong")]
    Html,
    /// It begins like no JSON array or object.
    #[error("it is not JSON: it begins with byte 0x{first:02x}")]
    NotJson {
        /// The first byte that is no white space.
        first: u8,
    },
    /// An object without an array under `golds`.
    #[error("it is a JSON object without a list under `golds`")]
    NoList,
    /// Something else than an object stands in the array.
    #[error("record {record} is not a JSON object (byte {offset})")]
    NotAnObject {
        /// Counted from 1.
        record: u64,
        /// Where, counted from 0.
        offset: u64,
    },
    /// A record is longer than [`LONGEST_RECORD`].
    #[error("record {record} is longer than {LONGEST_RECORD} bytes")]
    RecordTooLong {
        /// Counted from 1.
        record: u64,
    },
    /// Too much stands around the array.
    #[error("more than {LONGEST_ENVELOPE} bytes stand around the list of records")]
    EnvelopeTooLong,
    /// Something follows the end, or a bracket or comma is missing.
    #[error("byte {offset} does not belong there")]
    Stray {
        /// Where, counted from 0.
        offset: u64,
    },
    /// The bytes end within the array.
    #[error("it ends too early, after {records} whole records")]
    Truncated {
        /// How many records are whole.
        records: u64,
    },
    /// There are no bytes.
    #[error("it is empty")]
    Empty,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    Start,
    /// In the object around the array; `after_key` once the key before a value was [`ARRAY_KEY`].
    Envelope {
        depth: u32,
        in_string: bool,
        escaped: bool,
        after_key: bool,
        key_start: usize,
    },
    /// Before a record or the end of the array.
    BeforeRecord {
        comma: bool,
    },
    Record {
        depth: u32,
        in_string: bool,
        escaped: bool,
    },
    AfterRecord,
    Tail,
}

/// Cuts bytes into records; feed it with [`Self::push`] and end with [`Self::finish`].
#[derive(Debug)]
pub struct Splitter {
    state: State,
    head: Vec<u8>,
    tail: Vec<u8>,
    record: Vec<u8>,
    records: u64,
    offset: u64,
    in_object: bool,
}

impl Default for Splitter {
    fn default() -> Self {
        Self {
            state: State::Start,
            head: Vec::new(),
            tail: Vec::new(),
            record: Vec::new(),
            records: 0,
            offset: 0,
            in_object: false,
        }
    }
}

impl Splitter {
    /// What stood before the first record, its opening bracket included.
    pub fn head(&self) -> &[u8] {
        &self.head
    }

    /// What stands after the last record, from the closing bracket on.
    pub fn tail(&self) -> &[u8] {
        &self.tail
    }

    /// How many whole records were seen.
    pub const fn records(&self) -> u64 {
        self.records
    }

    /// Takes the next bytes and hands each whole record, from `{` to `}`, to `take`.
    ///
    /// # Errors
    /// [`SplitError`] where the bytes are not an array of records, or what `take` answers.
    pub fn push<E: From<SplitError>>(
        &mut self,
        bytes: &[u8],
        take: &mut dyn FnMut(&[u8]) -> Result<(), E>,
    ) -> Result<(), E> {
        let mut at = 0;
        while at < bytes.len() {
            if let State::Record { .. } = self.state {
                at += self.in_record(&bytes[at..], take)?;
            } else {
                self.between(bytes[at], self.offset + at as u64)?;
                at += 1;
            }
        }
        self.offset += bytes.len() as u64;
        Ok(())
    }

    /// Says whether the array ended where the bytes did.
    ///
    /// # Errors
    /// [`SplitError`] where it did not.
    pub fn finish(&self) -> Result<(), SplitError> {
        match self.state {
            State::Tail if !self.in_object || self.tail_closes() => Ok(()),
            State::Start => Err(SplitError::Empty),
            State::Envelope { depth: 0, .. } => Err(SplitError::NoList),
            _ => Err(SplitError::Truncated { records: self.records }),
        }
    }

    /// Whether head and tail make one whole JSON value around an empty list.
    fn tail_closes(&self) -> bool {
        serde_json::from_slice::<serde::de::IgnoredAny>(&self.envelope()).is_ok()
    }

    /// The file without its records: valid JSON once [`Self::finish`] was content.
    pub fn envelope(&self) -> Vec<u8> {
        [self.head.as_slice(), self.tail.as_slice()].concat()
    }

    /// Takes bytes of a record up to its end; returns how many.
    fn in_record<E: From<SplitError>>(
        &mut self,
        bytes: &[u8],
        take: &mut dyn FnMut(&[u8]) -> Result<(), E>,
    ) -> Result<usize, E> {
        let State::Record { mut depth, mut in_string, mut escaped } = self.state else { return Ok(0) };
        let mut at = 0;
        let mut whole = false;
        while at < bytes.len() && !whole {
            if escaped {
                escaped = false;
            } else if in_string {
                match memchr2(b'"', b'\\', &bytes[at..]) {
                    Some(skipped) => {
                        at += skipped;
                        if bytes[at] == b'"' {
                            in_string = false;
                        } else {
                            escaped = true;
                        }
                    }
                    None => at = bytes.len() - 1,
                }
            } else {
                match bytes[at] {
                    b'"' => in_string = true,
                    b'{' | b'[' => depth += 1,
                    b'}' | b']' => {
                        depth -= 1;
                        whole = depth == 0;
                    }
                    _ => {}
                }
            }
            at += 1;
        }
        if self.record.len() + at > LONGEST_RECORD {
            return Err(SplitError::RecordTooLong { record: self.records + 1 }.into());
        }
        if whole {
            self.records += 1;
            self.state = State::AfterRecord;
            self.record.extend_from_slice(&bytes[..at]);
            take(&self.record)?;
            self.record.clear();
        } else {
            self.record.extend_from_slice(&bytes[..at]);
            self.state = State::Record { depth, in_string, escaped };
        }
        Ok(at)
    }

    /// Takes one byte outside records.
    fn between(&mut self, byte: u8, offset: u64) -> Result<(), SplitError> {
        let space = matches!(byte, b' ' | b'\n' | b'\r' | b'\t');
        if self.head.len() + self.tail.len() > LONGEST_ENVELOPE {
            return Err(SplitError::EnvelopeTooLong);
        }
        match self.state {
            // A byte order mark may begin a file, and is no part of what is in it.
            State::Start if space || (offset < 3 && [0xef, 0xbb, 0xbf][offset as usize] == byte) => {}
            State::Start => {
                self.head.push(byte);
                self.state = match byte {
                    b'[' => State::BeforeRecord { comma: false },
                    b'{' => {
                        self.in_object = true;
                        State::Envelope {
                            depth: 1,
                            in_string: false,
                            escaped: false,
                            after_key: false,
                            key_start: 0,
                        }
                    }
                    b'<' => return Err(SplitError::Html),
                    first => return Err(SplitError::NotJson { first }),
                };
            }
            State::Envelope { .. } => self.in_envelope(byte, offset)?,
            State::BeforeRecord { .. } | State::AfterRecord if space => {}
            State::BeforeRecord { .. } if byte == b'{' => {
                // The byte is looked at here, and the depth begins with it.
                self.record.clear();
                self.record.push(byte);
                self.state = State::Record { depth: 1, in_string: false, escaped: false };
            }
            State::BeforeRecord { comma: false } | State::AfterRecord if byte == b']' => {
                self.tail.push(byte);
                self.state = State::Tail;
            }
            State::BeforeRecord { comma: true } if byte == b']' || byte == b',' => {
                return Err(SplitError::Stray { offset });
            }
            State::BeforeRecord { .. } => {
                return Err(SplitError::NotAnObject { record: self.records + 1, offset });
            }
            State::AfterRecord if byte == b',' => self.state = State::BeforeRecord { comma: true },
            State::AfterRecord => return Err(SplitError::Stray { offset }),
            State::Tail if space => {}
            State::Tail if self.in_object => self.tail.push(byte),
            State::Tail => return Err(SplitError::Stray { offset }),
            State::Record { .. } => {} // never asked here
        }
        Ok(())
    }

    fn in_envelope(&mut self, byte: u8, offset: u64) -> Result<(), SplitError> {
        let State::Envelope { mut depth, mut in_string, mut escaped, mut after_key, mut key_start } =
            self.state
        else {
            return Ok(());
        };
        self.head.push(byte);
        if in_string {
            match byte {
                _ if escaped => escaped = false,
                b'\\' => escaped = true,
                b'"' => in_string = false,
                _ => {}
            }
        } else {
            match byte {
                b'"' => {
                    in_string = true;
                    key_start = self.head.len();
                }
                b':' if depth == 1 => {
                    let key = self.head[key_start..].split(|b| *b == b'"').next();
                    after_key = key == Some(ARRAY_KEY);
                }
                b'[' if depth == 1 && after_key => {
                    self.state = State::BeforeRecord { comma: false };
                    return Ok(());
                }
                b',' if depth == 1 => after_key = false,
                b'{' | b'[' => depth += 1,
                b'}' | b']' => depth -= 1,
                b' ' | b'\n' | b'\r' | b'\t' => {}
                _ if depth == 0 => return Err(SplitError::Stray { offset }),
                _ => {}
            }
            if depth == 0 {
                return Err(SplitError::NoList);
            }
        }
        self.state = State::Envelope { depth, in_string, escaped, after_key, key_start };
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn split(bytes: &[u8], step: usize) -> Result<(Vec<String>, String), SplitError> {
        let mut splitter = Splitter::default();
        let mut records = Vec::new();
        for chunk in bytes.chunks(step) {
            splitter.push(chunk, &mut |record| {
                records.push(String::from_utf8(record.to_vec()).unwrap());
                Ok::<(), SplitError>(())
            })?;
        }
        splitter.finish()?;
        Ok((records, String::from_utf8(splitter.envelope()).unwrap()))
    }

    const BOTH: &[(&str, &[&str], &str)] = &[
        ("[]", &[], "[]"),
        (" [ {} , {} ] \n", &["{}", "{}"], "[]"),
        (r#"[{"a":"}]\"\\"},{"b":[{"c":"["}]}]"#, &[r#"{"a":"}]\"\\"}"#, r#"{"b":[{"c":"["}]}"#], "[]"),
        (r#"{"task": "x", "golds": [{"id":"1"}]}"#, &[r#"{"id":"1"}"#], r#"{"task": "x", "golds": []}"#),
        (
            r#"{"a":{"golds":[1]},"golds":[{}],"z":[1]} "#,
            &["{}"],
            r#"{"a":{"golds":[1]},"golds":[],"z":[1]}"#,
        ),
        ("\u{feff}[{\"é\":\"ü\"}]", &["{\"é\":\"ü\"}"], "[]"),
    ];

    #[test]
    fn records_are_cut_alike_however_the_bytes_arrive() {
        for (text, records, envelope) in BOTH {
            for step in 1..=text.len() {
                let (found, around) = split(text.as_bytes(), step).unwrap();
                assert_eq!(
                    (found, around.as_str()),
                    (records.iter().map(|r| (*r).to_owned()).collect(), *envelope)
                );
            }
        }
    }

    #[test]
    fn every_truncation_is_noticed() {
        for (text, ..) in BOTH {
            let whole = text.trim_end().len();
            for end in 0..whole {
                assert!(split(&text.as_bytes()[..end], 7).is_err(), "{:?}", &text.as_bytes()[..end]);
            }
        }
    }

    #[test]
    fn what_is_no_list_of_records_is_named() {
        for (text, error) in [
            ("<!DOCTYPE html>", SplitError::Html),
            ("\n <html>", SplitError::Html),
            ("x", SplitError::NotJson { first: b'x' }),
            ("", SplitError::Empty),
            ("{}", SplitError::NoList),
            (r#"{"golds": {}}"#, SplitError::NoList),
            (r#"{"x": "golds", "y": []}"#, SplitError::NoList),
            ("[1]", SplitError::NotAnObject { record: 1, offset: 1 }),
            ("[{},[]]", SplitError::NotAnObject { record: 2, offset: 4 }),
            ("[{},]", SplitError::Stray { offset: 4 }),
            ("[{}{}]", SplitError::Stray { offset: 3 }),
            ("[{}]x", SplitError::Stray { offset: 4 }),
            ("[{}", SplitError::Truncated { records: 1 }),
            (r#"{"golds":[{}]"#, SplitError::Truncated { records: 1 }),
            (r#"{"golds":[{}]}}"#, SplitError::Truncated { records: 1 }),
        ] {
            assert_eq!(split(text.as_bytes(), 3), Err(error), "{text}");
        }
        let endless = format!(r#"{{"x":"{}"#, "a".repeat(LONGEST_ENVELOPE + 9));
        assert_eq!(split(endless.as_bytes(), 4096), Err(SplitError::EnvelopeTooLong));
    }
}
