#include "accounts_commands.hpp"
#include "plugins/accounts/accounts_plugin.h"

using reeve::accounts::AccountsPlugin;
using reeve::plugin::kUntyped;

REEVE_PLUGIN(AccountsPlugin, accounts_manifest::Manifest,
             kUntyped<accounts_manifest::GuestSetUserPassword, &AccountsPlugin::SetUserPassword>,
             kUntyped<accounts_manifest::GuestSshGetAuthorizedKeys, &AccountsPlugin::GetKeys>,
             kUntyped<accounts_manifest::GuestSshAddAuthorizedKeys, &AccountsPlugin::AddKeys>,
             kUntyped<accounts_manifest::GuestSshRemoveAuthorizedKeys, &AccountsPlugin::RemoveKeys>)
