//! From text to expression: a Pratt parser, by hand, so that it can say where and why it stops.

use ferrymq_openwire::text::Text;

use super::error::SelectorError;
use super::evaluation::Names;
use super::expression::Expression;
use super::header::Header;
use super::operator::{Comparison, Operator};
use super::pattern::Pattern;
use super::token::{Keyword, Lexer, Symbol, Token, TokenKind};

/// Bytes of the longest text; a text of the wire is never longer.
const LONGEST: usize = 65_536;
/// How deeply expressions may be nested, and how many of one kind may stand in a row without
/// parentheses (`AND` and `OR` apart). It bounds the stack of whoever walks over the expression.
const DEEPEST: usize = 128;

/// How tightly operators bind. Equality binds less tightly than order, as in ActiveMQ.
type Power = u8;
const LOOSEST: Power = 0;
const OR: Power = 1;
const AND: Power = 2;
const NOT: Power = 3;
const EQUALITY: Power = 4;
const ORDER: Power = 5;
const SUM: Power = 6;
const PRODUCT: Power = 7;
const SIGN: Power = 8;

/// Reads a whole text.
pub(super) fn parse(text: &str) -> Result<(Expression, Names), SelectorError> {
    if text.len() > LONGEST {
        let reason = format!("it goes on here, but a selector has at most {LONGEST} bytes");
        return Err(SelectorError::at(text, LONGEST, reason));
    }
    let mut lexer = Lexer::new(text);
    let next = lexer.next()?;
    let mut parser = Parser { text, lexer, next, names: Names::new(), nesting: 0 };
    let whole = parser.expression(LOOSEST)?;
    if parser.next.kind != TokenKind::End {
        let reason = format!("expected AND, OR or another operator, found {}", parser.next.kind);
        return Err(parser.error(parser.next.start, reason));
    }
    let whole = parser.condition(whole)?;
    Ok((whole.expression, parser.names))
}

struct Parser<'a> {
    text: &'a str,
    lexer: Lexer<'a>,
    /// The word that is not consumed yet.
    next: Token,
    names: Names,
    nesting: usize,
}

/// An expression, where it begins, and how deep it is.
struct Part {
    expression: Expression,
    start: usize,
    depth: usize,
}

impl Part {
    fn new(expression: Expression, start: usize) -> Self {
        Self { expression, start, depth: 1 }
    }
}

/// What stands between or behind operands.
#[derive(Clone, Copy)]
enum Infix {
    Or,
    And,
    Compare(Comparison),
    Arithmetic(Operator),
    IsNull,
    /// LIKE, BETWEEN and IN, or NOT before them.
    Test,
}

impl Parser<'_> {
    fn error(&self, at: usize, reason: impl Into<String>) -> SelectorError {
        SelectorError::at(self.text, at, reason)
    }

    /// Consumes a word and returns it.
    fn advance(&mut self) -> Result<Token, SelectorError> {
        let following = self.lexer.next()?;
        Ok(std::mem::replace(&mut self.next, following))
    }

    fn accept(&mut self, kind: &TokenKind) -> Result<bool, SelectorError> {
        let found = self.next.kind == *kind;
        if found {
            self.advance()?;
        }
        Ok(found)
    }

    fn expect(&mut self, kind: TokenKind, after: &str) -> Result<(), SelectorError> {
        if self.accept(&kind)? {
            return Ok(());
        }
        let reason = format!("expected {kind} after {after}, found {}", self.next.kind);
        Err(self.error(self.next.start, reason))
    }

    /// Reads operands and operators that bind more tightly than `least`.
    fn expression(&mut self, least: Power) -> Result<Part, SelectorError> {
        self.nesting += 1;
        if self.nesting > DEEPEST {
            return Err(self.too_deep(self.next.start));
        }
        let mut left = self.operand()?;
        while let Some((power, infix)) = self.infix().filter(|(power, _)| *power > least) {
            left = match infix {
                Infix::Or => self.junction(left, OR, Keyword::Or)?,
                Infix::And => self.junction(left, AND, Keyword::And)?,
                Infix::Compare(comparison) => {
                    self.advance()?;
                    let right = self.expression(power)?;
                    self.comparison(comparison, left, right)?
                }
                Infix::Arithmetic(operator) => {
                    self.advance()?;
                    let (left, right) = (self.number(left)?, self.expression(power)?);
                    let right = self.number(right)?;
                    self.joined(left.start, [left, right], |[left, right]| {
                        Expression::Arithmetic(operator, left, right)
                    })?
                }
                Infix::IsNull => self.is_null(left)?,
                Infix::Test => self.test(left)?,
            };
        }
        self.nesting -= 1;
        Ok(left)
    }

    fn infix(&self) -> Option<(Power, Infix)> {
        let compare = |power, comparison| Some((power, Infix::Compare(comparison)));
        let arithmetic = |power, operator| Some((power, Infix::Arithmetic(operator)));
        match &self.next.kind {
            TokenKind::Keyword(keyword) => match keyword {
                Keyword::Or => Some((OR, Infix::Or)),
                Keyword::And => Some((AND, Infix::And)),
                Keyword::Is => Some((EQUALITY, Infix::IsNull)),
                Keyword::Not | Keyword::Like | Keyword::Between | Keyword::In => {
                    Some((ORDER, Infix::Test))
                }
                _ => None,
            },
            TokenKind::Symbol(symbol) => match symbol {
                Symbol::Equal => compare(EQUALITY, Comparison::Equal),
                Symbol::NotEqual => compare(EQUALITY, Comparison::NotEqual),
                Symbol::Less => compare(ORDER, Comparison::Less),
                Symbol::LessOrEqual => compare(ORDER, Comparison::LessOrEqual),
                Symbol::Greater => compare(ORDER, Comparison::Greater),
                Symbol::GreaterOrEqual => compare(ORDER, Comparison::GreaterOrEqual),
                Symbol::Plus => arithmetic(SUM, Operator::Plus),
                Symbol::Minus => arithmetic(SUM, Operator::Minus),
                Symbol::Times => arithmetic(PRODUCT, Operator::Times),
                Symbol::Divide => arithmetic(PRODUCT, Operator::Divide),
                Symbol::Remainder => arithmetic(PRODUCT, Operator::Remainder),
                Symbol::Open | Symbol::Close | Symbol::Comma => None,
            },
            _ => None,
        }
    }

    fn operand(&mut self) -> Result<Part, SelectorError> {
        let Token { kind, start, .. } = self.advance()?;
        let expression = match kind {
            TokenKind::Text(text) => Expression::Text(Text::from(text)),
            TokenKind::Approximate(value) => Expression::Approximate(value),
            TokenKind::Exact(value) => self.exact(value, start)?,
            TokenKind::Name(name) => self.name(&name, start)?,
            TokenKind::Keyword(Keyword::True) => Expression::Bool(true),
            TokenKind::Keyword(Keyword::False) => Expression::Bool(false),
            TokenKind::Keyword(Keyword::Null) => Expression::Null,
            TokenKind::Keyword(Keyword::Not) => {
                let inner = self.expression(NOT)?;
                let inner = self.condition(inner)?;
                return self.joined(start, [inner], |[inner]| Expression::Not(inner));
            }
            TokenKind::Keyword(keyword @ (Keyword::XPath | Keyword::XQuery)) => {
                let reason = format!(
                    "{} is not supported: selectors look at headers and properties, not into bodies",
                    TokenKind::Keyword(keyword)
                );
                return Err(self.error(start, reason));
            }
            TokenKind::Symbol(Symbol::Minus) => return self.negative(start),
            TokenKind::Symbol(Symbol::Plus) => {
                let inner = self.expression(SIGN)?;
                let inner = self.number(inner)?;
                return self.joined(start, [inner], |[inner]| Expression::Signed(inner));
            }
            TokenKind::Symbol(Symbol::Open) => {
                let inner = self.expression(LOOSEST)?;
                let begin = format!("the parenthesis at character {}", self.position(start));
                self.expect(TokenKind::Symbol(Symbol::Close), &begin)?;
                return Ok(Part { start, ..inner });
            }
            other => {
                let reason = format!("expected a property, a value or '(', found {other}");
                return Err(self.error(start, reason));
            }
        };
        Ok(Part::new(expression, start))
    }

    fn position(&self, byte: usize) -> usize {
        self.error(byte, "").position
    }

    fn exact(&self, value: u64, start: usize) -> Result<Expression, SelectorError> {
        i64::try_from(value).map(Expression::Exact).map_err(|_| {
            self.error(start, "this number does not fit in 64 bits; with a decimal point it would")
        })
    }

    /// What follows a minus. The smallest of all exact numbers has no positive counterpart.
    fn negative(&mut self, start: usize) -> Result<Part, SelectorError> {
        if self.next.kind == TokenKind::Exact(i64::MIN.unsigned_abs()) {
            self.advance()?;
            return Ok(Part::new(Expression::Exact(i64::MIN), start));
        }
        let inner = self.expression(SIGN)?;
        let inner = self.number(inner)?;
        self.joined(start, [inner], |[inner]| Expression::Negated(inner))
    }

    fn name(&mut self, name: &str, start: usize) -> Result<Expression, SelectorError> {
        if self.next.kind == TokenKind::Symbol(Symbol::Open) {
            return Err(self.error(start, "functions are not supported: JMS has none in selectors"));
        }
        match Header::named(name) {
            Some(Header::UserId) => Ok(Expression::UserId(self.property(name))),
            Some(header) => Ok(Expression::Header(header)),
            None => Ok(Expression::Property(self.property(name))),
        }
    }

    /// The number of a property.
    fn property(&mut self, name: &str) -> usize {
        let fresh = self.names.len();
        *self.names.entry(Text::from(name).as_bytes().into()).or_insert(fresh)
    }

    /// A chain of AND or of OR is one expression, so that its length does not add to its depth.
    fn junction(
        &mut self,
        first: Part,
        power: Power,
        keyword: Keyword,
    ) -> Result<Part, SelectorError> {
        let (start, first) = (first.start, self.condition(first)?);
        let mut depth = first.depth;
        let mut parts = vec![first.expression];
        while self.accept(&TokenKind::Keyword(keyword))? {
            let part = self.expression(power)?;
            let part = self.condition(part)?;
            depth = depth.max(part.depth);
            parts.push(part.expression);
        }
        let expression = if power == OR { Expression::Any(parts) } else { Expression::All(parts) };
        self.bounded(Part { expression, start, depth: depth + 1 })
    }

    fn comparison(
        &self,
        comparison: Comparison,
        left: Part,
        right: Part,
    ) -> Result<Part, SelectorError> {
        if matches!(comparison, Comparison::Equal | Comparison::NotEqual) {
            for side in [&left, &right] {
                if side.expression == Expression::Null {
                    let reason = "nothing is equal to NULL; write IS NULL or IS NOT NULL";
                    return Err(self.error(side.start, reason));
                }
            }
            return self.joined(left.start, [left, right], |[left, right]| {
                Expression::Compare(comparison, left, right)
            });
        }
        let (left, right) = (self.ordered(left)?, self.ordered(right)?);
        self.joined(left.start, [left, right], |[left, right]| {
            Expression::Compare(comparison, left, right)
        })
    }

    fn is_null(&mut self, value: Part) -> Result<Part, SelectorError> {
        self.advance()?;
        let not = self.accept(&TokenKind::Keyword(Keyword::Not))?;
        self.expect(TokenKind::Keyword(Keyword::Null), if not { "IS NOT" } else { "IS" })?;
        let start = value.start;
        let test = self.joined(start, [value], |[value]| Expression::IsNull(value))?;
        self.unless(not, test)
    }

    /// LIKE, BETWEEN or IN behind a value.
    fn test(&mut self, value: Part) -> Result<Part, SelectorError> {
        let not = self.accept(&TokenKind::Keyword(Keyword::Not))?;
        let start = value.start;
        let Token { kind, start: at, .. } = self.advance()?;
        match kind {
            TokenKind::Keyword(Keyword::Like) => {
                let pattern = self.pattern()?;
                let test =
                    self.joined(start, [value], |[value]| Expression::Like(value, pattern))?;
                self.unless(not, test)
            }
            TokenKind::Keyword(Keyword::In) => {
                if !matches!(
                    value.expression,
                    Expression::Property(_) | Expression::Header(_) | Expression::UserId(_)
                ) {
                    return Err(self.error(start, "only a property can be tested with IN"));
                }
                let texts = self.texts()?;
                let test = self.joined(start, [value], |[value]| Expression::In(value, texts))?;
                self.unless(not, test)
            }
            TokenKind::Keyword(Keyword::Between) => {
                let low = self.expression(ORDER)?;
                self.expect(TokenKind::Keyword(Keyword::And), "the lower bound of BETWEEN")?;
                let high = self.expression(ORDER)?;
                let parts = [self.ordered(value)?, self.ordered(low)?, self.ordered(high)?];
                self.joined(start, parts, |[value, low, high]| {
                    if not {
                        Expression::NotBetween(value, low, high)
                    } else {
                        Expression::Between(value, low, high)
                    }
                })
            }
            other => {
                let reason = format!("expected LIKE, BETWEEN or IN after NOT, found {other}");
                Err(self.error(at, reason))
            }
        }
    }

    fn pattern(&mut self) -> Result<Pattern, SelectorError> {
        let (pattern, _) = self.literal("LIKE")?;
        if !self.accept(&TokenKind::Keyword(Keyword::Escape))? {
            return Ok(Pattern::new(&pattern, None));
        }
        let (escape, start) = self.literal("ESCAPE")?;
        let mut characters = escape.chars();
        match (characters.next(), characters.next()) {
            (Some(escape), None) => Ok(Pattern::new(&pattern, Some(escape))),
            _ => Err(self.error(start, "ESCAPE takes a text of one character")),
        }
    }

    fn texts(&mut self) -> Result<Vec<Text>, SelectorError> {
        self.expect(TokenKind::Symbol(Symbol::Open), "IN")?;
        let mut texts = Vec::new();
        loop {
            texts.push(Text::from(self.literal("IN (")?.0));
            if !self.accept(&TokenKind::Symbol(Symbol::Comma))? {
                break;
            }
        }
        self.expect(TokenKind::Symbol(Symbol::Close), "the texts of IN")?;
        texts.sort_unstable();
        texts.dedup();
        Ok(texts)
    }

    /// A text, and where it stands.
    fn literal(&mut self, after: &str) -> Result<(String, usize), SelectorError> {
        let Token { kind, start, .. } = self.advance()?;
        match kind {
            TokenKind::Text(text) => Ok((text, start)),
            other => {
                let reason = format!("expected a text in quotes after {after}, found {other}");
                Err(self.error(start, reason))
            }
        }
    }

    fn condition(&self, part: Part) -> Result<Part, SelectorError> {
        let sort = part.expression.sort();
        if sort.may_be_condition() {
            return Ok(part);
        }
        let reason = format!("expected a condition, found {}", sort.described());
        Err(self.error(part.start, reason))
    }

    fn number(&self, part: Part) -> Result<Part, SelectorError> {
        let sort = part.expression.sort();
        if sort.may_be_number() {
            return Ok(part);
        }
        let reason = format!("{} cannot be calculated with; only numbers can", sort.described());
        Err(self.error(part.start, reason))
    }

    fn ordered(&self, part: Part) -> Result<Part, SelectorError> {
        let sort = part.expression.sort();
        if sort.may_be_number() {
            return Ok(part);
        }
        let reason = format!(
            "{} has no order; only numbers can be compared with <, >, <=, >= and BETWEEN",
            sort.described()
        );
        Err(self.error(part.start, reason))
    }

    fn unless(&self, not: bool, part: Part) -> Result<Part, SelectorError> {
        if !not {
            return Ok(part);
        }
        self.joined(part.start, [part], |[inner]| Expression::Not(inner))
    }

    fn joined<const N: usize>(
        &self,
        start: usize,
        parts: [Part; N],
        join: impl FnOnce([Box<Expression>; N]) -> Expression,
    ) -> Result<Part, SelectorError> {
        let depth = parts.iter().map(|part| part.depth).max().unwrap_or_default() + 1;
        let expression = join(parts.map(|part| Box::new(part.expression)));
        self.bounded(Part { expression, start, depth })
    }

    fn bounded(&self, part: Part) -> Result<Part, SelectorError> {
        if part.depth > DEEPEST { Err(self.too_deep(part.start)) } else { Ok(part) }
    }

    fn too_deep(&self, at: usize) -> SelectorError {
        self.error(at, format!("it is nested, or goes on, more than {DEEPEST} operators deep"))
    }
}
