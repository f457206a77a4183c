//! A file that is sent to the pages: in a form, `multipart/form-data` (RFC 7578), or bare by a
//! program. The fields before the file are read like those of any form; the file is given on piece
//! by piece and is never whole in memory.
//!
//! ```text
//! --boundary CRLF  fields of a head CRLF CRLF  octets ..  CRLF --boundary ..  CRLF --boundary--
//! ```

use crate::limits;
use memchr::memmem;
use std::io::Read;

/// The file, as it comes in.
pub(crate) struct Upload<'r> {
    from: &'r mut dyn Read,
    /// Octets still to come of a bare file; `None`: it ends with a delimiter.
    length: Option<u64>,
    /// What came and is not given on yet.
    unread: Vec<u8>,
    delimiter: Vec<u8>,
    /// The part that was begun is given on whole.
    over: bool,
}

/// Why it cannot be read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum BadUpload {
    /// It is no such form.
    Malformed,
    /// The browser went away in the middle.
    CutOff,
}

impl BadUpload {
    pub(crate) fn words(self) -> &'static str {
        match self {
            Self::Malformed => "this is not a form with a file",
            Self::CutOff => "the file did not come whole",
        }
    }
}

/// Names and values.
type Fields = Vec<(String, String)>;

/// What the head of a part says.
struct Part {
    name: String,
    is_file: bool,
}

/// Is this the kind of a form with a file?
pub(super) fn is_one(content_type: Option<&str>) -> bool {
    content_type.is_some_and(|kind| boundary(kind).is_some())
}

/// RFC 2046 5.1.1: the boundary, 1 to 70 characters
fn boundary(content_type: &str) -> Option<String> {
    let (kind, parameters) = content_type.split_once(';')?;
    if !kind.trim().eq_ignore_ascii_case("multipart/form-data") {
        return None;
    }
    let boundary = parameter(parameters, "boundary")?;
    (1..=70).contains(&boundary.len()).then_some(boundary)
}

/// The value of `name` in `a=b; c="d; e"`. RFC 7578 4.2
fn parameter(text: &str, name: &str) -> Option<String> {
    let mut quoted = false;
    let parts = text.split(|c| {
        quoted ^= c == '"';
        c == ';' && !quoted
    });
    let mut pairs = parts.filter_map(|part| part.trim().split_once('='));
    let (_, value) = pairs.find(|(it, _)| it.trim().eq_ignore_ascii_case(name))?;
    Some(value.trim().trim_matches('"').to_string())
}

impl<'r> Upload<'r> {
    /// The fields up to the file, and the file; `None` when there is none.
    pub(crate) fn open(
        content_type: &str,
        from: &'r mut dyn Read,
    ) -> Result<(Fields, Option<Upload<'r>>), BadUpload> {
        let boundary = boundary(content_type).ok_or(BadUpload::Malformed)?;
        let delimiter = format!("\r\n--{boundary}").into_bytes();
        // So that the first is found like the others.
        let unread = b"\r\n".to_vec();
        let mut upload = Upload { from, length: None, unread, delimiter, over: false };
        let mut fields = Vec::new();
        upload.small(limits::UPLOAD_FIELD_BYTES)?;
        while let Some(part) = upload.next()? {
            if part.is_file {
                return Ok((fields, Some(upload)));
            }
            if fields.len() >= limits::FORM_FIELDS {
                return Err(BadUpload::Malformed);
            }
            let value = upload.small(limits::UPLOAD_FIELD_BYTES)?;
            let value = String::from_utf8(value).map_err(|_| BadUpload::Malformed)?;
            fields.push((part.name, value));
        }
        Ok((fields, None))
    }

    /// A body that is the file and nothing else, of so many octets.
    pub(crate) fn bare(length: u64, from: &'r mut dyn Read) -> Upload<'r> {
        let (unread, delimiter) = (Vec::new(), Vec::new());
        Upload { from, length: Some(length), unread, delimiter, over: length == 0 }
    }

    /// The next octets of the file; `None` at its end.
    pub(crate) fn piece(&mut self) -> Result<Option<Vec<u8>>, BadUpload> {
        if let Some(left) = self.length {
            return self.bare_piece(left);
        }
        loop {
            if self.over {
                return Ok(None);
            }
            if let Some(at) = memmem::find(&self.unread, &self.delimiter) {
                let piece: Vec<u8> = self.unread.drain(..at).collect();
                self.unread.drain(..self.delimiter.len());
                self.over = true;
                return Ok((!piece.is_empty()).then_some(piece));
            }
            // The rest may be the begin of a delimiter.
            let safe = self.unread.len().saturating_sub(self.delimiter.len());
            if safe > 0 {
                return Ok(Some(self.unread.drain(..safe).collect()));
            }
            self.more()?;
        }
    }

    fn bare_piece(&mut self, left: u64) -> Result<Option<Vec<u8>>, BadUpload> {
        if self.over {
            return Ok(None);
        }
        self.more()?;
        let piece = std::mem::take(&mut self.unread);
        let left = left.saturating_sub(piece.len() as u64);
        (self.length, self.over) = (Some(left), left == 0);
        Ok(Some(piece))
    }

    /// A part of few octets.
    fn small(&mut self, most: usize) -> Result<Vec<u8>, BadUpload> {
        let mut value = Vec::new();
        while let Some(piece) = self.piece()? {
            value.extend(piece);
            if value.len() > most {
                return Err(BadUpload::Malformed);
            }
        }
        Ok(value)
    }

    /// The head of the part behind a delimiter; `None` behind the last.
    fn next(&mut self) -> Result<Option<Part>, BadUpload> {
        self.over = false;
        while self.unread.len() < 2 {
            self.more()?;
        }
        if self.unread.starts_with(b"--") {
            return Ok(None);
        }
        let end = loop {
            match memmem::find(&self.unread, b"\r\n\r\n") {
                Some(end) => break end,
                None if self.unread.len() > limits::UPLOAD_HEAD_BYTES => {
                    return Err(BadUpload::Malformed);
                }
                None => self.more()?,
            }
        };
        let head: Vec<u8> = self.unread.drain(..end + 4).collect();
        let head = String::from_utf8(head).map_err(|_| BadUpload::Malformed)?;
        let mut lines = head.lines().filter_map(|line| line.split_once(':'));
        let disposition =
            lines.find(|(name, _)| name.trim().eq_ignore_ascii_case("content-disposition"));
        let (_, disposition) = disposition.ok_or(BadUpload::Malformed)?;
        let name = parameter(disposition, "name").ok_or(BadUpload::Malformed)?;
        let is_file = parameter(disposition, "filename").is_some();
        Ok(Some(Part { name, is_file }))
    }

    fn more(&mut self) -> Result<(), BadUpload> {
        let mut piece = vec![0; limits::READ_CHUNK_BYTES];
        let count = self.from.read(&mut piece).map_err(|_| BadUpload::CutOff)?;
        if count == 0 {
            return Err(BadUpload::CutOff);
        }
        self.unread.extend(piece.iter().take(count));
        Ok(())
    }
}
