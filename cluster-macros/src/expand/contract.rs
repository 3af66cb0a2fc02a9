//! The contract, and the table by which an entity serves it.

use proc_macro2::TokenStream;
use quote::{quote, quote_spanned};

use super::message::changes_and_replies_later;
use crate::hygiene::{Root, located, parameter};
use crate::model::{Access, Contract, Message, Owner};

pub(super) fn contract(contract: &Contract) -> TokenStream {
    let Contract { root, client, .. } = contract;
    let name = &contract.name.text;
    let contract_type = contract.owner.contract_type();
    let cfgs: Vec<_> = contract.messages.iter().map(|message| &message.cfgs).collect();
    let messages: Vec<_> = contract.messages.iter().map(|message| &message.message).collect();
    let table = table(contract);
    quote! {
        #[doc(hidden)]
        impl #root::Contract for #contract_type {
            const NAME: &'static str = #name;
            type Client = #client;
            type Reminders = #client<#root::ReminderHandle>;

            fn messages() -> &'static [&'static #root::MessageInfo] {
                const { &[#(#(#cfgs)* <#messages as #root::Message>::INFO),*] }
            }

            fn schemas() -> ::core::result::Result<
                ::std::vec::Vec<#root::MessageSchema>,
                #root::TraceError,
            > {
                #root::schemas(&[#(#(#cfgs)* #root::MessageSchema::of::<#messages>),*])
            }
        }

        #table
    }
}

fn table(contract: &Contract) -> TokenStream {
    let root = &contract.root;
    let contract_type = contract.owner.contract_type();
    let (generics, entity) = match &contract.owner {
        Owner::Entity(entity) => (TokenStream::new(), quote!(#entity)),
        Owner::Trait(name) => {
            let entity = parameter("Entity");
            let later = contract.messages.iter().any(changes_and_replies_later);
            let unstored = later.then(|| quote!(+ #root::Unstored));
            (quote!(<#entity: #name + #root::Serves #unstored>), quote!(#entity))
        }
    };
    let entries = contract.messages.iter().map(|message| {
        let Message { cfgs, message: name, .. } = message;
        if message.options.stream.is_some() {
            let entry = stream(root, message);
            return quote!(#(#cfgs)* #entry);
        }
        let style = match (message.is_async, message.access) {
            (true, Access::Exclusive) => quote!(exclusive),
            (true, Access::Shared) => quote!(shared),
            (false, Access::Exclusive) => quote!(exclusive_fn),
            (false, Access::Shared) => quote!(shared_fn),
        };
        quote!(#(#cfgs)* #root::Method::#style::<#name>())
    });
    quote! {
        #[doc(hidden)]
        impl #generics #root::ServedBy<#entity> for #contract_type {
            type Contract = Self;

            fn table() -> &'static [#root::Method<#entity>] {
                const { &[#(#entries),*] }
            }
        }
    }
}

/// The entry of a stream. That a durable entity cannot stream from `&mut self` is shown at the
/// handler's name.
fn stream(root: &Root, message: &Message) -> TokenStream {
    let (name, at) = (&message.message, message.method.span());
    let root = root.at(at);
    match message.access {
        Access::Shared => quote!(#root::Method::stream::<#name>()),
        Access::Exclusive => quote_spanned!(located(at)=> #root::Method::stream_mut::<#name>()),
    }
}
