//! The function under the attribute: what it must be, and its parts.

use proc_macro2::{Group, TokenStream};
use syn::{
    Attribute, Error, Expr, FnArg, GenericParam, Ident, Pat, PatType, Receiver, ReceiverKind,
    Result, Signature, Token, Type, Visibility,
    parse::{Parse, ParseStream},
    spanned::Spanned as _,
};

use crate::{
    args::{Args, Policy},
    source,
    tokens::{find, find_sign, mentions},
};

pub(crate) struct Function {
    pub(crate) attrs: Vec<Attribute>,
    pub(crate) vis: Visibility,
    pub(crate) sig: Signature,
    pub(crate) body: Group,
    pub(crate) place: Place,
    pub(crate) inputs: Vec<Input>,
    /// The policy, if it is an expression of each call.
    pub(crate) policy: Option<Expr>,
}

/// Where a function is, as far as an attribute on it can see.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Place {
    /// By itself: its companions are functions of a struct.
    Free,
    /// In an inherent `impl`: its companions are methods beside it. Only there may a method have a
    /// visibility.
    Inherent,
    /// In a trait or its implementation, where no other method may be added; or private in an
    /// inherent one, which looks the same.
    Trait,
}

pub(crate) struct Input {
    pub(crate) typed: PatType,
    pub(crate) name: Ident,
    /// Part of the key.
    pub(crate) keyed: bool,
    /// Named by `cache = …`.
    pub(crate) finds_cache: bool,
    /// Not part of the key, and named by `many = …`.
    pub(crate) for_many: bool,
    /// Named by a `policy` that each call has anew.
    pub(crate) sets_policy: bool,
}

/// Attributes, visibility, signature and body, none of it looked at yet.
struct Item(Vec<Attribute>, Visibility, Signature, Group);

impl Parse for Item {
    fn parse(input: ParseStream<'_>) -> Result<Self> {
        let attrs = input.call(Attribute::parse_outer)?;
        let vis = input.parse()?;
        let sig: Signature = input.parse().map_err(|error| {
            Error::new(
                error.span(),
                "only a function can be cached: put the attribute on an `async fn`",
            )
        })?;
        if input.peek(Token![;]) {
            let problem = "a method without a body has nothing to cache: put the attribute on its implementation";
            return Err(Error::new(sig.ident.span(), problem));
        }
        Ok(Self(attrs, vis, sig, input.parse()?))
    }
}

impl Function {
    pub(crate) fn parse(args: &Args, item: TokenStream) -> Result<Self> {
        let Item(attrs, vis, sig, body) = syn::parse2(item)?;
        check_kind(&sig)?;
        let place = place(&sig, &vis, args);
        check_place(&sig, place)?;
        check_receiver(&sig, args)?;
        let policy = policy_of_a_call(&sig, args);
        let inputs = inputs(&sig, args, policy.as_ref())?;
        check_generics(&sig, args)?;
        check_many(&inputs, place, args)?;
        check_background(&sig, &inputs, place, args)?;
        Ok(Self {
            attrs,
            vis,
            sig,
            body,
            place,
            inputs,
            policy,
        })
    }

    /// The parameters that make several functions of one: types and constants.
    pub(crate) fn parameters(&self) -> impl Iterator<Item = &GenericParam> {
        let params = self.sig.generics.params.iter();
        params.filter(|param| !matches!(param, GenericParam::Lifetime(_)))
    }

    pub(crate) fn receiver(&self) -> Option<&Receiver> {
        self.sig.receiver()
    }
}

fn check_kind(sig: &Signature) -> Result<()> {
    if sig.asyncness.is_none() {
        let problem = match &sig.output {
            syn::ReturnType::Type(_, output) if mentions(output, "Pin") => {
                "only an async fn can be cached, and `#[async_trait]` has made this another kind: cache an inherent method, and call it here"
            }
            _ => "only an async fn can be cached: add `async`",
        };
        return Err(Error::new(sig.fn_token.span(), problem));
    }
    if let syn::Safety::Unsafe(unsafety) = &sig.safety {
        let problem = "an unsafe fn cannot be cached: cache a safe one that calls it";
        return Err(Error::new(unsafety.span(), problem));
    }
    Ok(())
}

/// An associated function without `self` is known by a `Self` in its signature, or by `skip(self)`.
fn place(sig: &Signature, vis: &Visibility, args: &Args) -> Place {
    let method = sig.receiver().is_some() || mentions(sig, "Self") || skips_self(args);
    match vis {
        _ if !method => Place::Free,
        Visibility::Inherited => Place::Trait,
        _ => Place::Inherent,
    }
}

/// A struct of companions would be an error of the compiler's own in an `impl`.
fn check_place(sig: &Signature, place: Place) -> Result<()> {
    if place == Place::Free && source::is_in_impl(&sig.ident) {
        let problem = "an associated function without `self` says that it is one by `skip(self)`";
        return Err(Error::new(sig.ident.span(), problem));
    }
    Ok(())
}

fn check_receiver(sig: &Signature, args: &Args) -> Result<()> {
    let Some(receiver) = sig.receiver() else {
        return Ok(());
    };
    let token = receiver.self_token;
    if args.key.is_none() && !skips_self(args) {
        let problem = "say what `self` adds to the key: nothing, `skip(self)`; or some of it, `key = (self.tenant, id)`";
        return Err(Error::new(token.span(), problem));
    }
    Ok(())
}

fn skips_self(args: &Args) -> bool {
    args.skip.iter().any(|name| name == "self")
}

/// The policy that each call has anew: a closure, or an expression with arguments. Everything else is
/// a constant, which the compiler checks.
fn policy_of_a_call(sig: &Signature, args: &Args) -> Option<Expr> {
    let Policy::Whole { policy, .. } = &args.policy else {
        return None;
    };
    // A constant of a module that is called like an argument.
    if matches!(policy, Expr::Path(path) if path.path.segments.len() > 1) {
        return None;
    }
    let named = |input: &FnArg| match input {
        FnArg::Receiver(receiver) => mentions(policy, &Ident::from(receiver.self_token)),
        FnArg::Typed(typed) => match &*typed.pat {
            Pat::Ident(name) => mentions(policy, &name.ident),
            _ => false,
        },
    };
    let closure = matches!(policy, Expr::Closure(_));
    (closure || sig.inputs.iter().any(named)).then(|| policy.clone())
}

fn inputs(sig: &Signature, args: &Args, policy: Option<&Expr>) -> Result<Vec<Input>> {
    let typed = sig.inputs.iter().filter_map(|input| match input {
        FnArg::Typed(typed) => Some(typed),
        FnArg::Receiver(_) => None,
    });
    let inputs: Vec<_> = typed
        .map(|typed| input(typed, args, policy))
        .collect::<Result<_>>()?;
    for skip in &args.skip {
        if skip != "self" && !inputs.iter().any(|input| input.name == *skip) {
            let names: Vec<_> = inputs.iter().map(|one| format!("`{}`", one.name)).collect();
            let there = match names[..] {
                [] => "none".to_owned(),
                _ => names.join(", "),
            };
            let problem = format!("there is no argument `{skip}` to skip: there are {there}");
            return Err(Error::new(skip.span(), problem));
        }
        if args.key.as_ref().is_some_and(|key| mentions(key, skip)) {
            let problem =
                format!("`{skip}` is skipped, and `key` uses it: leave out one of the two");
            return Err(Error::new(skip.span(), problem));
        }
    }
    Ok(inputs)
}

fn input(typed: &PatType, args: &Args, policy: Option<&Expr>) -> Result<Input> {
    let name = match &*typed.pat {
        Pat::Ident(name) if name.by_ref.is_none() && name.subpat.is_none() => &name.ident,
        pattern => {
            let problem =
                "an argument of a cached function needs a plain name: take it apart in the body";
            return Err(Error::new(pattern.span(), problem));
        }
    };
    if let Some(hidden) = find(&typed.ty, "impl") {
        let problem = "`impl Trait` hides which type it is: write a type parameter, and give `key`";
        return Err(Error::new(hidden.span(), problem));
    }
    let named_by = |expr: &Option<Expr>| expr.as_ref().is_some_and(|expr| mentions(expr, name));
    let keyed = match &args.key {
        Some(_) => named_by(&args.key),
        None => !args.skip.contains(name),
    };
    Ok(Input {
        typed: typed.clone(),
        name: name.clone(),
        keyed,
        finds_cache: named_by(&args.cache),
        for_many: !keyed && named_by(&args.many),
        sets_policy: policy.is_some_and(|policy| mentions(policy, name)),
    })
}

/// A refresh in the background runs on when the call has ended, and so do its arguments.
fn check_background(sig: &Signature, inputs: &[Input], place: Place, args: &Args) -> Result<()> {
    let Some(at) = args.background else {
        return Ok(());
    };
    if place == Place::Trait {
        let problem = "a refresh in the background calls the companion `uncached`, and a method of a trait has no companions: leave `background_refresh` out; a private method gets them by `pub(self)`";
        return Err(Error::new(at, problem));
    }
    let borrowed = |ty: &Type| find_sign(ty, &['&', '\'']);
    let receiver = sig.receiver().and_then(|receiver| match &receiver.kind {
        ReceiverKind::Reference(and, ..) => Some(and.span()),
        _ => None,
    });
    let mut typed = inputs.iter().map(|input| &*input.typed.ty);
    match receiver.or_else(|| typed.find_map(borrowed)) {
        None => Ok(()),
        Some(at) => Err(Error::new(
            at,
            "a refresh in the background runs on when the call has ended, so its arguments must be owned: take a `String` for a `&str`, an `Arc<Db>` for a `&Db`, `self: Arc<Self>` for `&self`",
        )),
    }
}

/// Whether there can be the companion that `many` is for.
fn check_many(inputs: &[Input], place: Place, args: &Args) -> Result<()> {
    let Some(many) = &args.many else {
        return Ok(());
    };
    let keyed = || inputs.iter().filter(|input| input.keyed);
    let problem = if place == Place::Trait {
        "`many` is the origin of the companion `fetch_many`, and a method of a trait has no companions: leave it out; a private method gets them by `pub(self)`"
    } else if keyed().next().is_none() {
        "`many` is the origin of the companion `fetch_many`, which takes a list of keys, and this function has one key: leave it out"
    } else if keyed().any(|input| input.finds_cache) {
        "`many` is the origin of the companion `fetch_many`, which asks one cache, and `cache` names a part of the key: name another argument"
    } else if keyed().any(|input| input.sets_policy) {
        "`many` is the origin of the companion `fetch_many`, which has one policy, and `policy` names a part of the key: name another argument, or call `larder::origin::policy` in the origin"
    } else {
        return Ok(());
    };
    Err(Error::new_spanned(many, problem))
}

fn check_generics(sig: &Signature, args: &Args) -> Result<()> {
    let mut params = sig.generics.params.iter();
    match params.find(|param| !matches!(param, GenericParam::Lifetime(_))) {
        Some(param) if args.key.is_none() => {
            let problem = "a generic function needs `key = …`: say which arguments make up its key";
            Err(Error::new(param.span(), problem))
        }
        _ => Ok(()),
    }
}

pub(crate) fn name(param: &GenericParam) -> &Ident {
    match param {
        GenericParam::Type(param) => &param.ident,
        GenericParam::Const(param) => &param.ident,
        GenericParam::Lifetime(param) => &param.lifetime.ident,
    }
}
