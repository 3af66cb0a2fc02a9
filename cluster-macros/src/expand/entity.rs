//! `impl Entity for Account`

use std::time::Duration;

use proc_macro2::{Literal, TokenStream};
use quote::{ToTokens, quote};

use crate::attribute::{EntityOptions, OnPanic, Retry};
use crate::hygiene::Root;
use crate::model::{Entity, State};

/// How many fields the runtime's options have.
const OPTIONS: usize = 9;
/// How many of them a message has as well.
const RETRIES: usize = 4;

pub(super) fn entity_impl(entity: &Entity) -> TokenStream {
    let (root, name) = (&entity.root, &entity.name);
    let options = options(root, &entity.options);
    let state = state(entity);
    let unstored = matches!(entity.state, State::Nothing).then(|| {
        quote! {
            #[doc(hidden)]
            impl #root::Unstored for #name {}
        }
    });
    quote! {
        #[doc(hidden)]
        impl #root::Entity for #name {
            const OPTIONS: #root::EntityOptions = #options;
            #state
        }

        #unstored
    }
}

fn options(root: &Root, options: &EntityOptions) -> TokenStream {
    let mut fields: Vec<TokenStream> = Vec::new();
    let mut set = |field: TokenStream, value: TokenStream| {
        fields.push(quote!(#field: ::core::option::Option::Some(#value)));
    };
    if let Some(mailbox) = options.mailbox.map(Literal::usize_unsuffixed) {
        set(quote!(mailbox), quote!(#mailbox));
    }
    if let Some(idle) = options.idle {
        set(quote!(idle), duration(idle));
    }
    if let Some(concurrency) = options.concurrency.map(Literal::usize_unsuffixed) {
        set(quote!(concurrency), quote!(#concurrency));
    }
    if let Some(group) = &options.group {
        set(quote!(group), quote!(#group));
    }
    retry_fields(root, &options.retry, &mut set);
    if options.strict_order {
        set(quote!(strict_order), quote!(true));
    }
    if fields.is_empty() {
        return quote!(#root::EntityOptions::DEFAULT);
    }
    let others = (fields.len() < OPTIONS).then(|| quote!(..#root::EntityOptions::DEFAULT));
    quote!(#root::EntityOptions { #(#fields,)* #others })
}

/// Retries as the value of a message's option.
pub(super) fn retry(root: &Root, retry: &Retry) -> TokenStream {
    let mut fields: Vec<TokenStream> = Vec::new();
    retry_fields(root, retry, &mut |field, value| {
        fields.push(quote!(#field: ::core::option::Option::Some(#value)));
    });
    if fields.is_empty() {
        return quote!(#root::RetryOptions::DEFAULT);
    }
    let others = (fields.len() < RETRIES).then(|| quote!(..#root::RetryOptions::DEFAULT));
    quote!(#root::RetryOptions { #(#fields,)* #others })
}

/// Hands the given fields over, which both kinds of options have.
fn retry_fields(root: &Root, retry: &Retry, set: &mut impl FnMut(TokenStream, TokenStream)) {
    if let Some(attempts) = retry.attempts.map(Literal::u32_unsuffixed) {
        set(quote!(attempts), quote!(#attempts));
    }
    if let Some(wait) = retry.backoff_min {
        set(quote!(backoff_min), duration(wait));
    }
    if let Some(wait) = retry.backoff_max {
        set(quote!(backoff_max), duration(wait));
    }
    match retry.on_panic {
        Some(OnPanic::Retry) => set(quote!(on_panic), quote!(#root::OnPanic::Retry)),
        Some(OnPanic::Defect) => set(quote!(on_panic), quote!(#root::OnPanic::Defect)),
        None => {}
    }
}

/// A duration as an expression.
pub(super) fn duration(duration: Duration) -> TokenStream {
    let (seconds, millis) = (duration.as_secs(), duration.subsec_millis());
    if millis == 0 {
        let seconds = Literal::u64_unsuffixed(seconds);
        return quote!(::core::time::Duration::from_secs(#seconds));
    }
    let millis = Literal::u64_unsuffixed(seconds * 1_000 + u64::from(millis));
    quote!(::core::time::Duration::from_millis(#millis))
}

/// How the stored part is traced, encoded and replaced; nothing where nothing is stored.
fn state(entity: &Entity) -> TokenStream {
    let root = &entity.root;
    let (kind, ty, place): (_, &dyn ToTokens, _) = match &entity.state {
        State::Nothing => return TokenStream::new(),
        State::Whole => (quote!(Whole), &entity.name, None),
        State::Field { field, ty } => (quote!(Field), ty, Some(quote!(.#field))),
    };
    let (read, written) = match &place {
        Some(field) => (quote!(&self #field), quote!(self #field)),
        None => (quote!(self), quote!(*self)),
    };
    quote! {
        const STATE: #root::StateKind = #root::StateKind::#kind;

        fn state_schema() -> ::core::result::Result<
            ::core::option::Option<#root::Schema>,
            #root::TraceError,
        > {
            <#ty as #root::Wire>::schema().map(::core::option::Option::Some)
        }

        fn encode_state(
            &self,
            schema: &#root::Schema,
            limit: usize,
        ) -> ::core::result::Result<::core::option::Option<#root::Bytes>, #root::EncodeError> {
            <#ty as #root::Wire>::encode(#read, schema, limit).map(::core::option::Option::Some)
        }

        fn decode_state(
            &mut self,
            payload: &[u8],
            schema: &#root::Schema,
        ) -> ::core::result::Result<(), #root::DecodeError> {
            #written = <#ty as #root::Wire>::decode(payload, schema)?;
            ::core::result::Result::Ok(())
        }
    }
}
