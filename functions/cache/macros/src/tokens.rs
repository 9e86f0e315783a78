//! Looks for a word in tokens, however deep they are nested.

use proc_macro2::{Ident, TokenStream, TokenTree};

pub(crate) fn mentions<W>(syntax: &impl quote::ToTokens, word: &W) -> bool
where
    Ident: PartialEq<W>,
    W: ?Sized,
{
    find(syntax, word).is_some()
}

/// The first place where `word` stands.
pub(crate) fn find<W>(syntax: &impl quote::ToTokens, word: &W) -> Option<Ident>
where
    Ident: PartialEq<W>,
    W: ?Sized,
{
    fn within<W: ?Sized>(tokens: TokenStream, word: &W) -> Option<Ident>
    where
        Ident: PartialEq<W>,
    {
        tokens.into_iter().find_map(|token| match token {
            TokenTree::Ident(ident) => (ident == *word).then_some(ident),
            TokenTree::Group(group) => within(group.stream(), word),
            TokenTree::Punct(_) | TokenTree::Literal(_) => None,
        })
    }
    within(syntax.to_token_stream(), word)
}
