//! `impl Serves for Account`: whose contract it serves, and its life-cycle hooks.

use proc_macro2::{Ident, TokenStream};
use quote::{format_ident, quote, quote_spanned};

use crate::hygiene::{local, located};
use crate::model::{Hook, Serving};

pub(super) fn serves(serving: &Serving) -> TokenStream {
    let Serving { root, entity, contract, hooks } = serving;
    let contract = match contract {
        Some(contract) => quote!(dyn #contract),
        None => quote!(#entity),
    };
    let hooks = [("activate", &hooks.activate), ("deactivate", &hooks.deactivate)];
    let hooks = hooks.into_iter().filter_map(|(name, hook)| {
        hook.as_ref().map(|hook| one(serving, format_ident!("{name}"), hook))
    });
    quote! {
        #[automatically_derived]
        impl #root::Serves for #entity {
            type Contract = #contract;
            #(#hooks)*
        }
    }
}

fn one(serving: &Serving, name: Ident, hook: &Hook) -> TokenStream {
    let Serving { root, entity, .. } = serving;
    let constant = format_ident!("{}S", name.to_string().to_uppercase());
    let (method, ctx) = (&hook.method, local("ctx"));
    let given = hook.takes_context.then(|| quote!(, #ctx));
    let wait = hook.is_async.then(|| quote!(.await));
    // What keeps the hook from being sent, or its result from being told, is shown at its name.
    let body = quote_spanned! {located(method.span())=>
        ::std::boxed::Box::pin(async move {
            #root::HookResult::into_result(<#entity>::#method(self #given) #wait)
        })
    };
    quote! {
        const #constant: bool = true;

        fn #name<'a>(
            &'a mut self,
            #ctx: &'a #root::Context,
        ) -> #root::BoxFuture<'a, ::core::result::Result<(), #root::Source>> {
            #body
        }
    }
}
