//! Looks for a name in tokens, however deep they are nested, and gives one to lifetimes.

use proc_macro2::{Group, Ident, Literal, Span, TokenStream, TokenTree};
use quote::{ToTokens, quote};
use syn::Lifetime;

/// Whether `name` is among the tokens, be it within the text of a `format!`.
pub(crate) fn mentions<N>(syntax: &impl ToTokens, name: &N) -> bool
where
    Ident: PartialEq<N>,
    N: ToString + ?Sized,
{
    let text = name.to_string();
    any(syntax.to_token_stream(), &|token| match token {
        TokenTree::Ident(ident) => *ident == *name,
        TokenTree::Literal(literal) => formats(literal, &text),
        TokenTree::Group(_) | TokenTree::Punct(_) => false,
    })
    .is_some()
}

/// The first place of `name`.
pub(crate) fn find<N>(syntax: &impl ToTokens, name: &N) -> Option<Ident>
where
    Ident: PartialEq<N>,
    N: ?Sized,
{
    let found = any(
        syntax.to_token_stream(),
        &|token| matches!(token, TokenTree::Ident(ident) if *ident == *name),
    );
    match found {
        Some(TokenTree::Ident(ident)) => Some(ident),
        _ => None,
    }
}

/// The first place of `name` with the sign `next` behind it.
pub(crate) fn find_before(syntax: &impl ToTokens, name: &str, next: char) -> Option<Ident> {
    fn within(tokens: TokenStream, name: &str, next: char) -> Option<Ident> {
        let mut tokens = tokens.into_iter().peekable();
        while let Some(token) = tokens.next() {
            match token {
                TokenTree::Ident(ident) if ident == *name => match tokens.peek() {
                    Some(TokenTree::Punct(sign)) if sign.as_char() == next => return Some(ident),
                    _ => {}
                },
                TokenTree::Group(group) => {
                    if let Some(found) = within(group.stream(), name, next) {
                        return Some(found);
                    }
                }
                _ => {}
            }
        }
        None
    }
    within(syntax.to_token_stream(), name, next)
}

/// The place of the first of these signs.
pub(crate) fn find_sign(syntax: &impl ToTokens, signs: &[char]) -> Option<Span> {
    let is = |token: &TokenTree| matches!(token, TokenTree::Punct(sign) if signs.contains(&sign.as_char()));
    any(syntax.to_token_stream(), &is).map(|token| token.span())
}

/// The first token that `is` what is looked for.
fn any(tokens: TokenStream, is: &dyn Fn(&TokenTree) -> bool) -> Option<TokenTree> {
    tokens.into_iter().find_map(|token| match token {
        TokenTree::Group(group) => any(group.stream(), is),
        token => is(&token).then_some(token),
    })
}

/// Whether a text holds `{name}`, as a `format!` may name an argument.
fn formats(literal: &Literal, name: &str) -> bool {
    let text = literal.to_string().replace("{{", "");
    text.split('{').skip(1).any(|rest| {
        let rest = rest.strip_prefix(name);
        rest.is_some_and(|rest| rest.starts_with(['}', ':']))
    })
}

/// A type whose lifetimes without a name have this one.
pub(crate) fn with_lifetime(ty: TokenStream, lifetime: &Lifetime) -> TokenStream {
    let mut out = TokenStream::new();
    let mut tokens = ty.into_iter().peekable();
    while let Some(token) = tokens.next() {
        let next = tokens.peek();
        match &token {
            TokenTree::Group(group) => {
                let inside = with_lifetime(group.stream(), lifetime);
                let mut named = Group::new(group.delimiter(), inside);
                named.set_span(group.span());
                out.extend([TokenTree::Group(named)]);
            }
            TokenTree::Punct(sign) if sign.as_char() == '&' && !is_quote(next) => {
                out.extend(quote!(#token #lifetime));
            }
            TokenTree::Punct(sign)
                if sign.as_char() == '\''
                    && matches!(next, Some(TokenTree::Ident(name)) if *name == "_") =>
            {
                tokens.next();
                out.extend(quote!(#lifetime));
            }
            _ => out.extend([token]),
        }
    }
    out
}

/// The first token of a lifetime.
fn is_quote(token: Option<&TokenTree>) -> bool {
    matches!(token, Some(TokenTree::Punct(sign)) if sign.as_char() == '\'')
}
