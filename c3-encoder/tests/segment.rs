//! Segments: limits, boundaries, streaming, bad input, speed.

use std::io::{self, Read};
use std::sync::LazyLock;
use std::time::{Duration, Instant};

use c3_encoder::{Error, MIN_SEGMENT_TOKENS, Piece, Segmenter, SegmenterOptions};
use c3_nn::Tokenizer;
use proptest::prelude::*;
use unicode_segmentation::{GraphemeCursor, UnicodeSegmentation};

static TOKENIZER: LazyLock<Tokenizer> = LazyLock::new(|| {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../models/c3-tiny/tokenizer.json");
    Tokenizer::from_json("tokenizer.json", &std::fs::read(path).unwrap()).unwrap()
});

fn pieces_of(source: impl Read, max_tokens: usize, lossy: bool) -> Result<Vec<Piece>, Error> {
    Segmenter::new(source, &TOKENIZER, SegmenterOptions { max_tokens, lossy })?.collect()
}

fn pieces(text: &str, max_tokens: usize) -> Vec<Piece> {
    pieces_of(text.as_bytes(), max_tokens, false).unwrap()
}

fn texts(text: &str, max_tokens: usize) -> Vec<String> {
    pieces(text, max_tokens).into_iter().map(|piece| piece.text).collect()
}

/// Delivers the bytes in pieces of the given sizes, over and over.
struct Chunked<'a> {
    bytes: &'a [u8],
    sizes: Vec<usize>,
    turn: usize,
}

impl Read for Chunked<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        self.turn += 1;
        if self.turn.is_multiple_of(7) {
            return Err(io::ErrorKind::Interrupted.into());
        }
        let size = self.sizes[self.turn % self.sizes.len()].min(buffer.len());
        self.bytes.read(&mut buffer[..size])
    }
}

/// What holds for every text.
fn check(text: &str, max_tokens: usize) -> Vec<Piece> {
    let pieces = pieces(text, max_tokens);
    let joined: String = pieces.iter().map(|piece| piece.text.as_str()).collect();
    assert!(joined == text, "pieces don't make the text: {text:?}");
    let mut end = 0;
    for piece in &pieces {
        assert_eq!(piece.bytes, end..end + piece.text.len() as u64);
        end = piece.bytes.end;
        assert!(!piece.text.is_empty());
        assert_eq!(piece.ids, TOKENIZER.encode(&piece.text).unwrap());
        assert!(piece.ids.len() <= max_tokens);
    }
    // Only a cluster that doesn't fit whole is cut.
    let mut inside = 0;
    for piece in &pieces {
        let cut = inside + piece.text.len();
        if !GraphemeCursor::new(cut, text.len(), true).is_boundary(text, 0).unwrap() {
            let cluster = cluster_around(text, cut);
            let tokens = TOKENIZER.encode(cluster).unwrap().len();
            // Emoji and flags are told apart by what stands before them: after a cut cluster, the
            // rest reads as other clusters.
            let after_a_cut = text[..inside].graphemes(true).next_back().is_some()
                && !GraphemeCursor::new(inside, text.len(), true).is_boundary(text, 0).unwrap();
            assert!(
                tokens > max_tokens || after_a_cut,
                "{cluster:?} of {tokens} tokens is cut at {cut} of {text:?}"
            );
        }
        inside = cut;
    }
    if !text.is_empty() && TOKENIZER.encode(text).unwrap().len() <= max_tokens {
        assert_eq!(pieces.len(), 1, "a text that fits is one piece");
    }
    pieces
}

fn cluster_around(text: &str, at: usize) -> &str {
    text.grapheme_indices(true)
        .find(|(start, cluster)| *start < at && at < start + cluster.len())
        .map(|(_, cluster)| cluster)
        .unwrap()
}

fn any_text() -> impl Strategy<Value = String> {
    let parts = prop_oneof![
        "\\PC{0,4}",
        "[a-zA-Z]{1,12}[,.!?]? ",
        "[a-z]{0,60}",
        "[\u{300}-\u{36f}]{1,3}",
        "[a-z][\u{300}-\u{36f}]{10,60}",
        "[\u{4e00}-\u{9fff}]{0,12}[。！？，]",
        "[\u{1100}-\u{11ff}]{0,9}",
        "[\u{0900}-\u{097f}\u{0600}-\u{0605}]{0,9}",
        "[\u{1f1e6}-\u{1f1ff}]{0,9}",
        "[\u{1f3fb}-\u{1f3ff}\u{1f466}-\u{1f469}\u{200d}\u{fe0f}]{0,9}",
        "[ \t\u{a0}\u{3000}\u{2029}]{0,9}",
        "(\r\n|\n|\r){1,4}",
        "[\u{1d15e}-\u{1d164}\u{fb1d}-\u{fb4e}]{0,9}",
        "(<img>|</img>|<\\|im_end\\|>)",
    ];
    proptest::collection::vec(parts, 0..60).prop_map(|parts| parts.concat())
}

proptest! {
    #![proptest_config(ProptestConfig {
        cases: 100,
        failure_persistence: None,
        ..ProptestConfig::default()
    })]

    #[test]
    fn every_text(text in any_text(), max_tokens in MIN_SEGMENT_TOKENS..100) {
        check(&text, max_tokens);
    }

    #[test]
    fn delivery_makes_no_difference(
        text in any_text(),
        repeat in 1usize..12,
        sizes in proptest::collection::vec(1usize..300, 1..6),
        max_tokens in MIN_SEGMENT_TOKENS..60,
    ) {
        let text = text.repeat(repeat);
        let whole = pieces(&text, max_tokens);
        let chunked = Chunked { bytes: text.as_bytes(), sizes, turn: 0 };
        prop_assert_eq!(&pieces_of(chunked, max_tokens, false).unwrap(), &whole);
        let bytewise = Chunked { bytes: text.as_bytes(), sizes: vec![1], turn: 0 };
        prop_assert_eq!(&pieces_of(bytewise, max_tokens, false).unwrap(), &whole);
    }

    #[test]
    fn lossy_is_the_lossy_text(
        bytes in proptest::collection::vec(
            prop_oneof![any::<u8>(), Just(b'a'), Just(0xe4), Just(0xbd), Just(0xa0), Just(0xf0)],
            0..300,
        ),
        sizes in proptest::collection::vec(1usize..9, 1..6),
    ) {
        let chunked = Chunked { bytes: &bytes, sizes: sizes.clone(), turn: 0 };
        let lossy = String::from_utf8_lossy(&bytes);
        prop_assert_eq!(pieces_of(chunked, 20, true).unwrap(), pieces(&lossy, 20));

        let chunked = Chunked { bytes: &bytes, sizes, turn: 0 };
        match (std::str::from_utf8(&bytes), pieces_of(chunked, 20, false)) {
            (Ok(text), found) => prop_assert_eq!(found.unwrap(), pieces(text, 20)),
            (Err(error), Err(Error::InvalidUtf8 { offset })) => {
                prop_assert_eq!(offset, error.valid_up_to() as u64);
            }
            (Err(error), found) => prop_assert!(false, "{error}, but {found:?}"),
        }
    }
}

#[test]
fn empty_and_short_texts() {
    assert!(pieces("", 12).is_empty());
    assert_eq!(texts("a", 12), ["a"]);
    assert_eq!(texts("\r\n", 12), ["\r\n"]);
    let piece = &pieces("Hello, world!", 256)[0];
    assert_eq!((piece.bytes.clone(), piece.text.as_str()), (0..13, "Hello, world!"));
}

/// Each text is cut in two or more; the first piece ends at the best boundary in the second half
/// of what 16 tokens hold.
#[test]
fn each_kind_of_boundary() {
    let letters = "q".repeat(40);
    for (kind, text, first) in [
        (
            "paragraph, though sentences end later",
            "The cat is here now at home.\n\nIt is. So am I. He is not here, she is not here.",
            "The cat is here now at home.\n\n",
        ),
        (
            "paragraph after a blank line with blanks, indented",
            "The cat is here now at home.\r\n \t\r\n  It is. So am I. He is not here, or is he not.",
            "The cat is here now at home.\r\n \t\r\n",
        ),
        (
            "a paragraph in the first half is too early",
            "Yes.\n\nThe man is on the hill. The man is at home, and the dog is in the house.",
            "Yes.\n\nThe man is on the hill. ",
        ),
        (
            "sentence",
            "The man is on the hill. It is so. The man is at home, and the dog is in the house.",
            "The man is on the hill. It is so. ",
        ),
        (
            "line",
            "let x = 1;\nlet y = x;\nlet z = (x, y, 17, 18, 19);\n",
            "let x = 1;\nlet y = x;\n",
        ),
        ("a line that is full", "123456789012345\n123456789012345\n", "123456789012345\n"),
        (
            "Chinese sentence",
            "天地玄黃。宇宙洪荒！日月盈昃，辰宿列張，寒來暑往，秋收冬藏",
            "天地玄黃。宇宙洪荒！",
        ),
        (
            "word",
            "the man and the dog and the house and the hill and the man and the dog and a house",
            "the man and the dog and the house and the hill and the ",
        ),
        ("Chinese word", "天地玄黃宇宙洪荒日月盈昃辰宿列張寒來暑往秋收冬藏", ""),
        ("punctuation", "a.b.c(d)+e[f]-g{h}*i:j/k<l>m=n&o|p~q^r%s$t#u@v!w", ""),
        ("grapheme", &letters, ""),
    ] {
        let pieces = check(text, 16);
        assert!(pieces.len() > 1, "{kind}");
        let found = &pieces[0].text;
        if first.is_empty() {
            // No better boundary: as full as it gets.
            assert!(pieces[0].ids.len() >= 14, "{kind}: {found:?}");
        } else {
            assert_eq!(found, first, "{kind}");
        }
    }
}

#[test]
fn clusters_stay_whole() {
    for cluster in ["\r\n", "e\u{301}\u{302}", "🇩🇪", "👍🏽", "❤\u{fe0f}", "각", "क्ष"]
    {
        for shift in 0..4 {
            let text = "x".repeat(shift) + &cluster.repeat(60);
            for piece in check(&text, 13) {
                let clusters = piece.text.trim_start_matches('x');
                assert_eq!(clusters.len() % cluster.len(), 0, "{cluster:?} in {piece:?}");
            }
        }
    }
    let family = "👨‍👩‍👧‍👦";
    for piece in check(&family.repeat(20), 40) {
        assert_eq!(piece.text, family.repeat(piece.text.len() / family.len()));
    }
    // 24 tokens don't go into 12: cut, but between characters.
    check(&family.repeat(3), 12);
    check(&("e".to_owned() + &"\u{301}".repeat(20_000)), 50);
}

#[test]
fn too_small_a_limit() {
    let smallest = "\u{1d160}".repeat(10);
    assert_eq!(check(&smallest, MIN_SEGMENT_TOKENS).len(), 10, "12 tokens each");
    for max_tokens in [0, 1, MIN_SEGMENT_TOKENS - 1] {
        match pieces_of("text".as_bytes(), max_tokens, false) {
            Err(Error::SegmentTokens { found }) => assert_eq!(found, max_tokens),
            other => panic!("{other:?}"),
        }
    }
}

#[test]
fn invalid_utf8_is_an_error_at_its_offset() {
    for (bytes, at) in [(&b"\xff"[..], 0), (b"ab\xc3(", 2), (b"abc\xe4\xbd", 3), (b"\0\x80", 1)] {
        for before in [0, 100_000] {
            let bytes = [&b"word ".repeat(before / 5)[..], bytes].concat();
            match pieces_of(&bytes[..], 100, false) {
                Err(Error::InvalidUtf8 { offset }) => assert_eq!(offset, (before + at) as u64),
                other => panic!("{other:?}"),
            }
        }
    }
}

#[test]
fn a_failing_reader_ends_the_pieces() {
    struct Fails;
    impl Read for Fails {
        fn read(&mut self, _: &mut [u8]) -> io::Result<usize> {
            Err(io::Error::other("unplugged"))
        }
    }
    let options = SegmenterOptions { max_tokens: 20, lossy: false };
    let text = "one two three ".repeat(2000);
    let mut segmenter = Segmenter::new(text.as_bytes().chain(Fails), &TOKENIZER, options).unwrap();
    assert!(segmenter.next().unwrap().is_ok(), "text before the failure still comes");
    let error = segmenter.find_map(Result::err).unwrap();
    assert!(matches!(error, Error::Read(error) if error.to_string() == "unplugged"));
    assert!(segmenter.next().is_none());
}

/// Texts without boundaries must not take square time; each of these takes about a second even
/// without optimisation.
#[test]
fn long_runs() {
    let start = Instant::now();
    for text in [
        "q".repeat(100_000),
        "abcdefghij".repeat(10_000),
        "字".repeat(100_000),
        " ".repeat(1 << 20),
        "\n".repeat(1 << 20),
        "\r\n".repeat(1 << 18),
        "\t \n".repeat(1 << 18),
        "🇩🇪".repeat(20_000),
        "\u{301}".repeat(50_000),
        "1".repeat(200_000),
        ".".repeat(200_000),
        ". ".repeat(100_000),
    ] {
        let pieces = pieces(&text, 256);
        assert_eq!(pieces.iter().map(|piece| piece.text.len()).sum::<usize>(), text.len());
        assert!(pieces.iter().all(|piece| piece.ids.len() <= 256));
        // Filled at least to the half.
        let (_, full) = pieces.split_last().unwrap();
        assert!(full.iter().all(|piece| piece.ids.len() >= 120), "{:?}", &text[..6]);
    }
    assert!(start.elapsed() < Duration::from_secs(120), "{:?}", start.elapsed());
}
