"""Who is asking."""

from __future__ import annotations

from zope.interface import Attribute, Interface

from pypidaemon.model import NormalizedName


class IAccount(Interface):
    """Who is acting, as the realm hands it out; anonymous is an account too."""

    name: str = Attribute('The account\'s name; "anonymous" for nobody in particular.')
    authenticated: bool = Attribute("Whether credentials were shown and hold.")
    scope: str = Attribute("What tells the answers this account may see from those of others: equal scopes see the same.")

    sight: str = Attribute(
        "The same, and it stays so over a change of rights and over restarts: equal words see the same of the same index."
    )

    def may(action: str, index_label: str, project: NormalizedName | None) -> bool:
        """Whether this account may do that there; a project None asks about the index as a whole."""

    def limit(action: str, index_label: str, project: NormalizedName | None) -> str:
        """Why the token that was shown never allows that, whatever the account may, for a person; "" where no token stands in the way."""
