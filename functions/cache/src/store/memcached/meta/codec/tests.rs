use super::*;

/// The only answer that has arrived.
fn alone(bytes: &[u8]) -> Result<Option<Parsed<'_>>, StoreError> {
    let answer = next(bytes)?;
    Ok(answer.map(|(parsed, length)| {
        assert_eq!(length, bytes.len());
        parsed
    }))
}

fn tag(key: &'static str, opaque: u32) -> Tag<'static> {
    let key = key.as_bytes();
    Tag { key, opaque }
}

fn value(bytes: &'static [u8], cas: u64, won: bool) -> Value<'static> {
    Value {
        bytes,
        cas: Some(cas),
        seconds_left: None,
        won,
    }
}

#[test]
fn each_command_is_one_line_and_its_data() {
    let mut out = Vec::new();
    get(
        &mut out,
        &Get {
            key: "a:b",
            opaque: 7,
            lease: Some(5),
            shows: Shows::CasAndTtl,
        },
    );
    get(
        &mut out,
        &Get {
            key: "a:b:r",
            opaque: 8,
            lease: None,
            shows: Shows::Cas,
        },
    );
    barrier(&mut out);
    add(&mut out, "x", 9, 30, b"hi\r\n");
    compare_and_swap(&mut out, "x", 10, 60, u64::MAX, b"");
    delete(&mut out, "x", 11);
    let expected = "mg a:b v c t k O7 N5 q\r\nmg a:b:r v c k O8 q\r\nmn\r\n\
        ms x 4 T30 ME k O9\r\nhi\r\n\r\nms x 0 T60 C18446744073709551615 k O10\r\n\r\nmd x k O11\r\n";
    assert_eq!(String::from_utf8(out).unwrap(), expected);
}

#[test]
fn answers_parse_whatever_their_order_of_flags() {
    let rows: &[(&[u8], Parsed<'_>)] = &[
        (
            b"VA 2 c5 kx O1\r\nhi\r\n",
            Parsed::Value(value(b"hi", 5, false), tag("x", 1)),
        ),
        (
            b"VA 2 O1 kx X Z c5 t-1\r\n\r\n\r\n",
            Parsed::Value(value(b"\r\n", 5, false), tag("x", 1)),
        ),
        (
            b"VA 2 c5 t59 kx O1\r\nhi\r\n",
            Parsed::Value(
                Value {
                    seconds_left: Some(59),
                    ..value(b"hi", 5, false)
                },
                tag("x", 1),
            ),
        ),
        (
            b"VA 2 c5 t9999999999 kx tx O1\r\nhi\r\n",
            Parsed::Value(value(b"hi", 5, false), tag("x", 1)),
        ),
        (
            b"VA 0 kx O1 c6  W\r\n\r\n",
            Parsed::Value(value(b"", 6, true), tag("x", 1)),
        ),
        (
            b"HD kx O1\r\n",
            Parsed::Status(Status::Done, Some(tag("x", 1))),
        ),
        (
            b"NF O1 kx\r\n",
            Parsed::Status(Status::NotFound, Some(tag("x", 1))),
        ),
        (b"MN\r\n", Parsed::Status(Status::Barrier, None)),
    ];
    for (bytes, expected) in rows {
        assert_eq!(alone(bytes).unwrap().as_ref(), Some(expected));
        for cut in 0..bytes.len() {
            assert_eq!(alone(&bytes[..cut]), Ok(None), "{:?}", &bytes[..cut]);
        }
    }
}

#[test]
fn what_is_no_answer_is_refused_before_its_length_is_believed() {
    let endless = vec![b'x'; 4096];
    let rows: &[&[u8]] = &[
        b"VA 18446744073709551615 kx O1\r\n",
        b"VA 1000000000000 kx O1\r\n",
        b"VA 1048577 kx O1\r\n",
        b"VA -1 kx O1\r\n",
        b"VA 2 kx\r\nhi\r\n",
        b"VA 2 kx O1\r\nhixx",
        b"VA\r\n",
        b"HD kx Oy\r\n",
        b"HD k\xff O1\r\n",
        b"HD\n",
        b"END\r\n",
        b"ERROR\r\n",
        b"CLIENT_ERROR bad\r\n",
        b"\r\n",
        "VA 2 ☕\r\n".as_bytes(),
        &endless,
    ];
    for bytes in rows {
        assert_eq!(
            alone(bytes),
            Err(StoreError::Protocol),
            "{:?}",
            String::from_utf8_lossy(bytes)
        );
    }
    assert_eq!(
        alone(b"SERVER_ERROR object too large for cache\r\n"),
        Err(StoreError::Oversize)
    );
}
