//! The language: tables of selectors about one message.

use super::make::{check, message, parcel};

#[test]
fn three_valued_logic() {
    check(
        &parcel(),
        &[
            ("TRUE AND TRUE", 'T'),
            ("TRUE AND FALSE", 'F'),
            ("TRUE AND absent", 'U'),
            ("absent AND FALSE", 'F'),
            ("absent AND absent", 'U'),
            ("absent OR TRUE", 'T'),
            ("absent OR FALSE", 'U'),
            ("FALSE OR FALSE", 'F'),
            ("NOT TRUE", 'F'),
            ("NOT FALSE", 'T'),
            ("NOT absent", 'U'),
            ("NOT NOT yes", 'T'),
            ("yes OR no AND no", 'T'),
            ("(yes OR no) AND no", 'F'),
            ("no AND no OR yes", 'T'),
            ("not yes or Yes is null aNd tRuE", 'T'),
            // As ActiveMQ: what is no boolean does not hold, and NULL may stand for a condition.
            ("colour", 'F'),
            ("i", 'F'),
            ("NOT i", 'T'),
            ("NULL", 'U'),
            ("NULL OR yes", 'T'),
        ],
    );
}

/// SQL's order; ActiveMQ reads `NOT i = 4` as `(NOT i) = 4`, which never holds.
#[test]
fn not_binds_less_tightly_than_comparisons() {
    check(
        &parcel(),
        &[
            ("NOT i = 4", 'T'),
            ("NOT i = 5", 'F'),
            ("NOT colour LIKE 'b%'", 'T'),
            ("NOT i BETWEEN 1 AND 3 AND yes", 'T'),
            ("NOT absent IS NULL", 'F'),
            ("NOT i = 4 AND no", 'F'),
            ("yes = NOT no", 'T'),
        ],
    );
}

#[test]
fn comparisons_of_numbers_of_any_type() {
    check(
        &parcel(),
        &[
            ("b = 5 AND s = 5 AND i = 5 AND l = 5", 'T'),
            // ActiveMQ knows 5 = b only the other way round; JMS promotes both.
            ("5 = b AND 5 = s AND i = b AND l = s", 'T'),
            ("i = 5.0 AND 5.0 = l", 'T'),
            ("i <> 5", 'F'),
            ("i <> 6", 'T'),
            ("d > 2 AND d < 3 AND d >= 2.5 AND d <= 2.5", 'T'),
            ("i > 5", 'F'),
            ("i >= 5", 'T'),
            ("i < d", 'F'),
            ("l > d", 'T'),
            // A float is widened, so it is no double of the same digits, as in Java.
            ("f = 0.1", 'F'),
            ("f = 0.1F", 'T'),
            ("f > 0.09 AND f < 0.11", 'T'),
            ("large = 9223372036854775807", 'T'),
            ("large > 9223372036854775806", 'T'),
            // With an approximate number, exact ones become so too.
            ("large = 9223372036854775808.0", 'T'),
            ("0.0 = -0.0", 'T'),
            ("absent = 5", 'U'),
            ("absent <> 5", 'U'),
            ("5 < absent", 'U'),
            // ActiveMQ takes two absent properties for equal; JMS compares nothing with NULL.
            ("absent = missing", 'U'),
            ("i = absent", 'U'),
            ("nothing = nothing", 'U'),
        ],
    );
}

#[test]
fn comparisons_of_texts_and_booleans() {
    check(
        &parcel(),
        &[
            ("colour = 'red'", 'T'),
            ("'red' = colour", 'T'),
            ("colour = 'Red'", 'F'),
            ("colour <> 'blue'", 'T'),
            ("colour <> 'red'", 'F'),
            ("note = 'it''s 100%_\\off'", 'T'),
            ("town = 'Zürich'", 'T'),
            ("face = 'a😀b'", 'T'),
            ("'' = ''", 'T'),
            ("yes = TRUE", 'T'),
            ("yes <> TRUE", 'F'),
            ("no = false", 'T'),
            ("yes = no", 'F'),
            ("(i > 4) = TRUE", 'T'),
            ("(i > 4) = (absent > 4)", 'U'),
            ("i = 5 = yes", 'T'),
            ("i < 6 = l < 6", 'T'),
            // As ActiveMQ, where both are properties: JMS leaves the order of texts open.
            ("colour < digits", 'F'),
            ("digits < colour", 'T'),
            ("no < yes", 'T'),
        ],
    );
}

/// JMS: "If the comparison of non-like type values is attempted, the value of the operation is
/// false." That is so for `<>`, too, which ActiveMQ holds to be true.
#[test]
fn comparisons_of_unlike_types_are_false() {
    check(
        &parcel(),
        &[
            ("digits = 5", 'F'),
            ("digits <> 5", 'F'),
            ("i = '5'", 'F'),
            ("i <> '5'", 'F'),
            ("NOT (i = '5')", 'T'),
            ("colour > 1", 'F'),
            ("colour BETWEEN 1 AND 2", 'F'),
            ("colour NOT BETWEEN 1 AND 2", 'F'),
            ("yes = 1", 'F'),
            ("yes = 'true'", 'F'),
            ("yes > 0", 'F'),
            ("sign = 'x'", 'F'),
            ("bytes = 'red'", 'F'),
            ("list = 1", 'F'),
            ("bytes = bytes", 'F'),
        ],
    );
}

#[test]
fn arithmetic() {
    check(
        &parcel(),
        &[
            ("i + 1 = 6", 'T'),
            ("i - 1 = 4", 'T'),
            ("i * 2 = 10", 'T'),
            ("i + 2 * 3 = 11", 'T'),
            ("(i + 2) * 3 = 21", 'T'),
            ("10 - 4 - 3 = 3", 'T'),
            ("-i = -5", 'T'),
            ("+i = 5", 'T'),
            ("-(i + 1) = -6", 'T'),
            ("- -i = 5", 'T'),
            ("i - -1 = 6", 'T'),
            ("i-1 = 4 AND i -1=4", 'T'),
            ("d + i = 7.5", 'T'),
            ("d * 2 = i", 'T'),
            ("i > 2 + 2", 'T'),
            // JMS does not say what becomes of the fraction; ActiveMQ keeps it.
            ("i / 2 = 2.5", 'T'),
            ("8 / 2 / 2 = 2", 'T'),
            ("i / d = 2", 'T'),
            // ActiveMQ's, not JMS's.
            ("i % 3 = 2", 'T'),
            // Nothing comes of these.
            ("i / 0 = 0", 'U'),
            ("i / 0.0 > 1", 'U'),
            ("i % 0 = 0", 'U'),
            ("(i / 0) IS NULL", 'T'),
            ("absent + 1 = 1", 'U'),
            ("1 * absent = 1", 'U'),
            ("-absent = 1", 'U'),
            ("colour + 1 = 1", 'U'),
            ("1 - yes = 1", 'U'),
            ("-colour = 1", 'U'),
            ("+colour = 'red'", 'U'),
            // Whole numbers wrap around at 64 bits, as Java's long.
            ("large + 1 = -9223372036854775808", 'T'),
            ("large * 2 = -2", 'T'),
            ("-large - 2 = 9223372036854775807", 'T'),
            ("-(-9223372036854775808) = -9223372036854775808", 'T'),
            ("large + 1.0 > 9.2e18", 'T'),
            ("1e308 * 10 > 1e308", 'T'),
            ("1e308 * 10 - 1e308 * 10 = 0", 'F'),
        ],
    );
}

#[test]
fn literals() {
    check(
        &parcel(),
        &[
            ("i = 5L AND i = 5l", 'T'),
            ("i = 0x5 AND i = 0X05 AND 255 = 0xfF AND 255 = 0xFFL", 'T'),
            ("8 = 010 AND 15 = 017L AND 0 = 00", 'T'),
            // A sign comes from a minus only; in Java this is -1.
            ("0xFFFFFFFF = 4294967295", 'T'),
            ("i = 5. AND i = 5.e0 AND i = 0.5E1 AND i = 50e-1 AND i = 5E+0", 'T'),
            (".5 = 0.5 AND .5e1 = i", 'T'),
            ("1.5F = 1.5 AND 1.5d = 1.5 AND 2F = 2 AND 2D = 2", 'T'),
            ("010.5 = 10.5 AND 09.5 = 9.5 AND 08e0 = 8", 'T'),
            ("-9223372036854775808 < -9223372036854775807", 'T'),
            ("- 9223372036854775808 < 0", 'T'),
            ("1e-999 = 0", 'T'),
            ("'--' <> '/*'", 'T'),
            ("i=5AND yes", 'T'),
            ("5LIKE'x'", 'F'),
        ],
    );
}

#[test]
fn between() {
    check(
        &parcel(),
        &[
            ("i BETWEEN 5 AND 6", 'T'),
            ("i BETWEEN 4 AND 5", 'T'),
            ("i BETWEEN 6 AND 4", 'F'),
            ("i NOT BETWEEN 6 AND 9", 'T'),
            ("i not between 1 and 5", 'F'),
            ("i BETWEEN d AND l + 1 AND yes", 'T'),
            ("i BETWEEN absent AND 9", 'U'),
            ("i BETWEEN absent AND 4", 'F'),
            ("i NOT BETWEEN absent AND 4", 'T'),
            ("absent BETWEEN 1 AND 2", 'U'),
            ("2 BETWEEN 1 AND 3", 'T'),
            ("i + 1 BETWEEN 6 AND 6", 'T'),
        ],
    );
}

#[test]
fn in_lists() {
    check(
        &parcel(),
        &[
            ("colour IN ('green', 'red', 'blue')", 'T'),
            ("colour IN ('green')", 'F'),
            ("colour NOT IN ('green', 'blue')", 'T'),
            ("colour NOT IN ('red')", 'F'),
            ("absent IN ('red')", 'U'),
            ("absent NOT IN ('red')", 'U'),
            ("colour IN('red','red')", 'T'),
            ("note IN ('it''s 100%_\\off')", 'T'),
            // As ActiveMQ: unknown for what is no text.
            ("i IN ('5')", 'U'),
            ("yes NOT IN ('true')", 'U'),
            ("JMSDeliveryMode IN ('PERSISTENT', 'NON_PERSISTENT')", 'T'),
        ],
    );
}

#[test]
fn like() {
    check(
        &parcel(),
        &[
            ("colour LIKE 'red'", 'T'),
            ("colour LIKE 'r%'", 'T'),
            ("colour LIKE '%d'", 'T'),
            ("colour LIKE '%e%'", 'T'),
            ("colour LIKE 'r_d'", 'T'),
            ("colour LIKE '___'", 'T'),
            ("colour LIKE '__'", 'F'),
            ("colour LIKE '____'", 'F'),
            ("colour LIKE '%'", 'T'),
            ("colour LIKE '%%%'", 'T'),
            ("colour LIKE ''", 'F'),
            ("colour LIKE 're'", 'F'),
            ("colour LIKE 'ed'", 'F'),
            ("colour LIKE 'R%'", 'F'),
            ("colour LIKE '%r%e%d%'", 'T'),
            ("colour LIKE '_%_%_'", 'T'),
            ("colour LIKE '_%_%_%_'", 'F'),
            ("colour NOT LIKE 'b%'", 'T'),
            ("colour NOT LIKE 'r%'", 'F'),
            ("'' LIKE '%'", 'T'),
            ("'abcabd' LIKE '%abd'", 'T'),
            ("'aXbXc' LIKE 'a%X_'", 'T'),
            ("colour LIKE 'r.d'", 'F'),
            ("colour LIKE '[r]ed'", 'F'),
            ("lines LIKE 'one%two'", 'T'),
            ("lines LIKE 'one_two'", 'T'),
            ("town LIKE 'Z_rich'", 'T'),
            ("town LIKE '%ü%'", 'T'),
            // A character beyond the first 65,536 is one, although Java has two units for it.
            ("face LIKE 'a_b'", 'T'),
            ("face LIKE '%😀_'", 'T'),
            ("face LIKE 'a__b'", 'F'),
            ("note LIKE '%100!%%' ESCAPE '!'", 'T'),
            ("note LIKE '%100!%!_\\off' ESCAPE '!'", 'T'),
            ("colour LIKE 'r!_d' ESCAPE '!'", 'F'),
            ("note LIKE '%\\%\\_\\\\off' ESCAPE '\\'", 'T'),
            // As ActiveMQ: an escape before anything else is itself.
            ("'a!b' LIKE 'a!b' ESCAPE '!'", 'T'),
            ("'a!' LIKE 'a!' ESCAPE '!'", 'T'),
            ("'50%' LIKE '50%%' ESCAPE '%'", 'T'),
            ("'50x' LIKE '50%%' ESCAPE '%'", 'F'),
            ("absent LIKE 'r%'", 'U'),
            ("absent NOT LIKE 'r%'", 'U'),
            // As ActiveMQ: nothing but a text is like anything.
            ("i LIKE '5'", 'F'),
            ("i NOT LIKE '5'", 'T'),
            ("bytes LIKE 'red'", 'F'),
        ],
    );
}

#[test]
fn is_null() {
    check(
        &parcel(),
        &[
            ("absent IS NULL", 'T'),
            ("nothing IS NULL", 'T'),
            ("colour IS NULL", 'F'),
            ("colour IS NOT NULL", 'T'),
            ("absent is not null", 'F'),
            ("bytes IS NOT NULL", 'T'),
            ("list IS NOT NULL", 'T'),
            ("JMSType IS NULL", 'T'),
            ("(absent = 1) IS NULL", 'T'),
            ("absent + 1 IS NULL", 'T'),
            ("NULL IS NULL", 'T'),
        ],
    );
}

#[test]
fn names_and_blanks() {
    check(
        &parcel(),
        &[
            ("größe$_2 = 7", 'T'),
            ("Colour IS NULL", 'T'),
            ("_x IS NULL AND $x IS NULL AND a1 IS NULL", 'T'),
            ("\t\r\n\x0C colour\n=\t'red' ", 'T'),
            ("colour='red'AND(i=5)", 'T'),
            ("nulls IS NULL AND inn IS NULL AND likely IS NULL", 'T'),
        ],
    );
}

/// Comments are ActiveMQ's; JMS has none.
#[test]
fn comments() {
    check(
        &parcel(),
        &[
            ("colour /* red, or * else **/ = 'red'", 'T'),
            ("/**/ yes", 'T'),
            ("yes -- and no\n", 'T'),
            ("yes -- and no\r AND no", 'F'),
            ("-- first\n-- second\n i = 5", 'T'),
            // A line that does not end is no comment: this subtracts a negative number.
            ("i --1 = 6", 'T'),
            ("'/*' = '/*' AND '*/' = '*/'", 'T'),
        ],
    );
}

#[test]
fn a_message_may_have_no_properties() {
    let message = message(Default::default());
    check(&message, &[("absent IS NULL", 'T'), ("absent = 1", 'U'), ("JMSPriority = 4", 'T')]);
}
