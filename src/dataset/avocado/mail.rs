//! One mail's subject and body.
//!
//! The official code reads a mail in the plainest way: the `Subject:` line is the subject, and what follows the first blank line is
//! the body. That reading is used here too, for it is what published LaMP-6 figures rest on. Only where the mail
//! itself says that it is encoded, and is, does the MIME reading replace it: encoded words in the subject, a body in
//! quoted-printable or base64, several parts, another character set. The text extracted from a mail often keeps the headers of the
//! original, so a header alone proves nothing: a body is decoded only if it is in the encoding that its header
//! names. Nothing is ever converted (HTML stays HTML), and where nothing is encoded both readings agree.

use std::borrow::Cow;

use mail_parser::{Encoding, Message, MessageParser, MimeHeaders, PartType};

use crate::lamp::python_strip;

/// What LaMP-6 takes from a mail, both trimmed as Python's `strip` does.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mail {
    /// The subject, in one line; empty where there is none.
    pub subject: String,
    /// The text.
    pub body: String,
}

impl Mail {
    /// Reads a mail. Any bytes give one: what is no header is passed over, what is no UTF-8 is read as Windows-1252,
    /// and without a blank line all is header.
    pub fn read(bytes: &[u8]) -> Self {
        let bytes = bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(bytes);
        let (head, body) = split_at_blank_line(bytes);
        let head = to_text(head);
        let subject = unfolded(&head, "subject").unwrap_or_default();
        let subject =
            if subject.contains("=?") { decoded_subject(&subject).unwrap_or(subject) } else { subject };
        let body = decoded_body(&head, bytes, body).unwrap_or_else(|| to_text(body).into_owned());
        Self { subject: python_strip(&subject).to_owned(), body: python_strip(&body).to_owned() }
    }
}

/// Header lines and what follows the first empty line.
fn split_at_blank_line(bytes: &[u8]) -> (&[u8], &[u8]) {
    let mut start = 0;
    while start < bytes.len() {
        let end = memchr::memchr(b'\n', &bytes[start..]).map_or(bytes.len(), |at| start + at + 1);
        if matches!(&bytes[start..end], b"\n" | b"\r\n") {
            return (&bytes[..start], &bytes[end..]);
        }
        start = end;
    }
    (bytes, &[])
}

/// A header's value with its continuation lines, joined by single spaces; the first such header counts.
fn unfolded(head: &str, name: &str) -> Option<String> {
    let mut lines = head.lines();
    let value = lines.by_ref().find_map(|line| {
        let (found, value) = line.split_once(':')?;
        found.trim_end().eq_ignore_ascii_case(name).then_some(value)
    })?;
    let mut value = value.trim().to_owned();
    for line in lines.take_while(|line| line.starts_with([' ', '\t'])) {
        if !value.is_empty() {
            value.push(' ');
        }
        value.push_str(line.trim());
    }
    Some(value)
}

/// Encoded words (RFC 2047) turned to text.
fn decoded_subject(subject: &str) -> Option<String> {
    let header = format!("Subject: {subject}\n\n");
    Some(MessageParser::default().parse_headers(header.as_bytes())?.subject()?.to_owned())
}

/// The body where it is encoded as its header says, else nothing.
fn decoded_body(head: &str, mail: &[u8], body: &[u8]) -> Option<String> {
    let kind = unfolded(head, "content-type").unwrap_or_default().to_ascii_lowercase();
    let transfer = unfolded(head, "content-transfer-encoding").unwrap_or_default().to_ascii_lowercase();
    let encoded = match transfer.as_str() {
        "quoted-printable" => is_quoted_printable(body),
        "base64" => is_base64(body),
        _ => false,
    };
    let parts = kind.starts_with("multipart/") && memchr::memmem::find(body, b"--").is_some();
    // Text that is UTF-8 was converted already, whatever character set the original had.
    let charset = kind.contains("charset") && std::str::from_utf8(body).is_err();
    if !(encoded || parts || charset) {
        return None;
    }
    // The encoding that the bytes are not in must not be undone by the parser either.
    let plain;
    let mail = if !encoded && matches!(transfer.as_str(), "quoted-printable" | "base64") && !parts {
        plain = [format!("Content-Type: {kind}\n\n").as_bytes(), body].concat();
        &plain
    } else {
        mail
    };
    first_text(&MessageParser::default().parse(mail)?)
}

/// The first text of a mail, as it was before it was encoded.
fn first_text(message: &Message<'_>) -> Option<String> {
    message.text_body.iter().find_map(|part| {
        let part = message.parts.get(*part as usize)?;
        match &part.body {
            PartType::Text(text) | PartType::Html(text) => {
                // Without a character set the parser takes Latin-1 bytes for broken UTF-8.
                let unsaid = part.content_type().and_then(|kind| kind.attribute("charset")).is_none();
                if unsaid && text.contains('\u{fffd}') && part.encoding == Encoding::None {
                    let raw = message.raw_message.get(part.offset_body as usize..part.offset_end as usize)?;
                    return Some(to_text(raw).into_owned());
                }
                Some(text.clone().into_owned())
            }
            _ => None,
        }
    })
}

/// Whether every `=` in the bytes is one that quoted-printable can have, and there is one.
fn is_quoted_printable(body: &[u8]) -> bool {
    let mut any = false;
    for at in memchr::memchr_iter(b'=', body) {
        any = true;
        let soft = body[at + 1..].trim_ascii_start().is_empty()
            || body[at + 1..].iter().find(|b| !matches!(b, b' ' | b'\t' | b'\r')) == Some(&b'\n');
        let code = body.get(at + 1..at + 3).is_some_and(|code| code.iter().all(u8::is_ascii_hexdigit));
        if !soft && !code {
            return false;
        }
    }
    any
}

/// Whether the bytes are nothing but whole groups of base64. A single short word could be one by chance and
/// is taken for text.
fn is_base64(body: &[u8]) -> bool {
    let letters = body.iter().filter(|b| !b.is_ascii_whitespace());
    let mut count = 0_usize;
    for byte in letters {
        if !(byte.is_ascii_alphanumeric() || matches!(byte, b'+' | b'/' | b'=')) {
            return false;
        }
        count += 1;
    }
    count >= 8 && count.is_multiple_of(4)
}

/// UTF-8, or else Windows-1252, of which Latin-1 text is a part.
fn to_text(bytes: &[u8]) -> Cow<'_, str> {
    match std::str::from_utf8(bytes) {
        Ok(text) => Cow::Borrowed(text),
        Err(_) => Cow::Owned(bytes.iter().map(|byte| windows_1252(*byte)).collect()),
    }
}

/// A character of Windows-1252; its five unassigned bytes stay C1 controls.
fn windows_1252(byte: u8) -> char {
    const HIGH: [char; 32] = [
        '€', '\u{81}', '‚', 'ƒ', '„', '…', '†', '‡', 'ˆ', '‰', 'Š', '‹', 'Œ', '\u{8d}', 'Ž', '\u{8f}',
        '\u{90}', '‘', '’', '“', '”', '•', '–', '—', '˜', '™', 'š', '›', 'œ', '\u{9d}', 'ž', 'Ÿ',
    ];
    match byte {
        0x80..=0x9f => HIGH[usize::from(byte - 0x80)],
        _ => char::from(byte),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn read(mail: impl AsRef<[u8]>) -> (String, String) {
        let mail = Mail::read(mail.as_ref());
        (mail.subject, mail.body)
    }

    fn both(subject: &str, body: &str) -> (String, String) {
        (subject.to_owned(), body.to_owned())
    }

    #[test]
    fn plain_mails_are_read_plainly() {
        for (mail, subject, body) in [
            (
                "From: a@b.c\nSubject: Lunch: at 12\nTo: d\n\n Hi\n\nSubject: no\n",
                "Lunch: at 12",
                "Hi\n\nSubject: no",
            ),
            ("From: a\r\nSUBJECT:Lunch\r\n\r\nHi\r\n\r\nyou\r\n", "Lunch", "Hi\r\n\r\nyou"),
            ("From: a\nSubject:\n\nHi", "", "Hi"),
            ("From: a\nSubject: \nTo: b\n\nHi", "", "Hi"),
            ("From: a\n\nHi", "", "Hi"),
            ("From: a\nSubject: no body", "no body", ""),
            ("Subject: one\n two\n\tthree\nTo: b\n\nHi", "one two three", "Hi"),
            ("Subject: first\nSubject: second\n\nHi", "first", "Hi"),
            ("X-Subject: no\nSubject: yes\n\n", "yes", ""),
            ("\u{feff}Subject: marked\n\nHi", "marked", "Hi"),
            ("\n\nonly a body", "", "only a body"),
            ("", "", ""),
        ] {
            assert_eq!(read(mail), both(subject, body), "{mail:?}");
        }
    }

    #[test]
    fn encodings_are_undone() {
        for (mail, subject, body) in [
            ("Subject: =?utf-8?Q?Caf=C3=A9_at?= =?utf-8?B?IG5vb24=?=\n\nHi", "Café at noon", "Hi"),
            ("Subject: =?iso-8859-1?Q?na=EFve?=\n =?iso-8859-1?Q?t=E9?=\n\nHi", "naïveté", "Hi"),
            ("Subject: a =?broken\n\nHi", "a =?broken", "Hi"),
            (
                "Subject: x\nContent-Type: text/plain; charset=iso-8859-1\nContent-Transfer-Encoding: quoted-printable\n\nna=EFve and a =\nlong line=3D\n",
                "x",
                "naïve and a long line=",
            ),
            (
                "Subject: x\r\nContent-Type: text/plain; charset=utf-8\r\nContent-Transfer-Encoding: base64\r\n\r\nQ2Fmw6kgYXQg\r\nbm9vbg==\r\n",
                "x",
                "Café at noon",
            ),
            (
                "Subject: x\nMIME-Version: 1.0\nContent-Type: multipart/alternative; boundary=\"b\"\n\npreamble\n--b\nContent-Type: text/plain; charset=utf-8\nContent-Transfer-Encoding: quoted-printable\n\nCaf=C3=A9\n--b\nContent-Type: text/html\n\n<p>no</p>\n--b--\n",
                "x",
                "Café",
            ),
        ] {
            assert_eq!(read(mail), both(subject, body), "{mail:?}");
        }
    }

    #[test]
    fn headers_that_are_no_longer_true_change_nothing() {
        for (headers, body) in [
            ("Content-Transfer-Encoding: quoted-printable", "1 + 1 = 2, x=y"),
            ("Content-Transfer-Encoding: base64", "This was decoded already."),
            ("Content-Type: multipart/mixed; boundary=zzz", "No parts any more.\nBut lines."),
            ("Content-Type: multipart/mixed; boundary=zzz", "-- \nsignature"),
            ("Content-Type: text/plain; charset=iso-8859-1", "Café, in UTF-8"),
            ("Content-Type: text/html", "<p>stays &amp; stays</p>"),
        ] {
            assert_eq!(read(format!("Subject: x\n{headers}\n\n{body}\n")), both("x", body), "{headers}");
        }
    }

    #[test]
    fn bytes_that_are_no_utf_8_are_read() {
        assert_eq!(read(b"Subject: na\xefve\n\n\x93caf\xe9\x94 \x80"), both("naïve", "“café” €"));
        let koi8 = b"Subject: x\nContent-Type: text/plain; charset=koi8-r\n\n\xf0\xd2\xc9\xd7\xc5\xd4";
        assert_eq!(read(koi8), both("x", "Привет"));
    }

    proptest! {
        #[test]
        fn where_nothing_is_encoded_the_parser_reads_the_same(
            subject in "[ -<>@-~]{0,60}",
            lines in prop::collection::vec("[ -~é€]{0,40}", 1..8),
            crlf: bool,
        ) {
            let end = if crlf { "\r\n" } else { "\n" };
            let body = lines.join(end);
            let mail = format!("From: a@b.c{end}Subject: {subject}{end}Content-Type: text/plain; charset=utf-8{end}{end}{body}");
            let message = MessageParser::default().parse(mail.as_bytes()).unwrap();
            let ours = Mail::read(mail.as_bytes());
            prop_assert_eq!(&ours.subject, python_strip(message.subject().unwrap_or_default()));
            let theirs = message.body_text(0).unwrap_or_default();
            prop_assert_eq!(&ours.body, python_strip(&theirs));
        }

        #[test]
        fn any_bytes_are_a_mail(bytes in prop::collection::vec(any::<u8>(), 0..300)) {
            Mail::read(&bytes);
        }

        #[test]
        fn any_headers_and_body_are_a_mail(
            kind in "(text/plain|text/html|multipart/mixed|message/rfc822|x)(; charset=(utf-8|utf-16|latin1|q))?(; boundary=b)?",
            transfer in "(base64|quoted-printable|8bit|x)",
            body in "([a-zA-Z=+/\r\n-]|--b\r?\n|--b--|=C3|\r?\n){0,60}",
        ) {
            Mail::read(format!("Subject: =?{kind}?Q?x?=\nContent-Type: {kind}\nContent-Transfer-Encoding: {transfer}\n\n{body}").as_bytes());
        }
    }
}
