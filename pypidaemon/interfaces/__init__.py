"""
The promises the parts make to each other: `zope.interface` interfaces, and nothing else.

Every method takes positional arguments only, since `verifyObject` sees no others, and each interface has one contract suite in
`tests/contracts` that every implementation runs. A method not said to raise something raises it not.
"""

from pypidaemon.interfaces.books import IAccountRecords as IAccountRecords
from pypidaemon.interfaces.books import IFileFacts as IFileFacts
from pypidaemon.interfaces.books import IFileRecords as IFileRecords
from pypidaemon.interfaces.books import ILedger as ILedger
from pypidaemon.interfaces.books import IPageCache as IPageCache
from pypidaemon.interfaces.books import IRecords as IRecords
from pypidaemon.interfaces.contents import IBlobStore as IBlobStore
from pypidaemon.interfaces.contents import IContent as IContent
from pypidaemon.interfaces.contents import IDraft as IDraft
from pypidaemon.interfaces.contents import IInFile as IInFile
from pypidaemon.interfaces.contents import ILocated as ILocated
from pypidaemon.interfaces.contents import IOnDisk as IOnDisk
from pypidaemon.interfaces.indexes import IHostedIndex as IHostedIndex
from pypidaemon.interfaces.indexes import IIndex as IIndex
from pypidaemon.interfaces.indexes import IInspector as IInspector
from pypidaemon.interfaces.indexes import IKnowing as IKnowing
from pypidaemon.interfaces.indexes import ILocal as ILocal
from pypidaemon.interfaces.indexes import IMeasured as IMeasured
from pypidaemon.interfaces.people import IAccount as IAccount
from pypidaemon.interfaces.people import IPolicy as IPolicy
from pypidaemon.interfaces.upstreams import IBody as IBody
from pypidaemon.interfaces.upstreams import IHealth as IHealth
from pypidaemon.interfaces.upstreams import IUpstream as IUpstream
