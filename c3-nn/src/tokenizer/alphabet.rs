//! GPT-2's printable alphabet for bytes, in which byte-level vocabularies are written.

/// The character that stands for a byte.
///
/// Printable Latin-1 stands for itself; the other 68 bytes follow from U+0100 in order.
/// Source: `bytes_to_unicode` in GPT-2's `encoder.py`.
pub(super) fn char_of(byte: u8) -> char {
    let code = match byte {
        b'!'..=b'~' | 0xa1..=0xac | 0xae..=0xff => u32::from(byte),
        0..=0x20 => 0x100 + u32::from(byte),
        0x7f..=0xa0 => 0x121 + u32::from(byte - 0x7f),
        0xad => 0x143,
    };
    char::from_u32(code).expect("all of these lie below the surrogates")
}

/// The byte that a character stands for.
pub(super) fn byte_of(c: char) -> Option<u8> {
    let code = u32::from(c);
    let byte = match code {
        0x21..=0x7e | 0xa1..=0xac | 0xae..=0xff => code,
        0x100..=0x120 => code - 0x100,
        0x121..=0x142 => code - 0x121 + 0x7f,
        0x143 => 0xad,
        _ => return None,
    };
    u8::try_from(byte).ok()
}

/// Bytes written in the alphabet.
pub(super) fn written(bytes: &[u8]) -> String {
    bytes.iter().map(|&byte| char_of(byte)).collect()
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn every_byte_has_its_own_character() {
        let chars: HashSet<char> = (0..=255).map(char_of).collect();
        assert_eq!(chars.len(), 256);
        for byte in 0..=255 {
            assert_eq!(byte_of(char_of(byte)), Some(byte));
        }
        let read = (0..0x11_0000).filter_map(char::from_u32).filter_map(byte_of).count();
        assert_eq!(read, 256);
    }

    #[test]
    fn is_the_alphabet_of_the_tokenizers_library() {
        let theirs = tokenizers::pre_tokenizers::byte_level::ByteLevel::alphabet();
        assert_eq!(theirs, (0..=255).map(char_of).collect());
        assert_eq!(written(b" \n"), "\u{120}\u{10a}");
    }
}
