"""
The promises the parts make to each other: `zope.interface` interfaces, and nothing else.

Every method takes positional arguments only, since `verifyObject` sees no others, and each interface has one contract suite in
`tests/contracts` that every implementation runs. A method not said to raise something raises it not.
"""

from pypidaemon.interfaces.books import IAccountRecords as IAccountRecords
from pypidaemon.interfaces.books import IBounded as IBounded
from pypidaemon.interfaces.books import IFileFacts as IFileFacts
from pypidaemon.interfaces.books import IFileRecords as IFileRecords
from pypidaemon.interfaces.books import ILedger as ILedger
from pypidaemon.interfaces.books import IMendable as IMendable
from pypidaemon.interfaces.books import IPageCache as IPageCache
from pypidaemon.interfaces.books import IReadable as IReadable
from pypidaemon.interfaces.books import IRecords as IRecords
from pypidaemon.interfaces.books import ISaved as ISaved
from pypidaemon.interfaces.contents import IBlobStore as IBlobStore
from pypidaemon.interfaces.contents import IContent as IContent
from pypidaemon.interfaces.contents import IDraft as IDraft
from pypidaemon.interfaces.contents import IHolding as IHolding
from pypidaemon.interfaces.contents import IInFile as IInFile
from pypidaemon.interfaces.contents import IKeeping as IKeeping
from pypidaemon.interfaces.contents import ILocated as ILocated
from pypidaemon.interfaces.contents import IOnDisk as IOnDisk
from pypidaemon.interfaces.contents import ISendable as ISendable
from pypidaemon.interfaces.contents import ISharing as ISharing
from pypidaemon.interfaces.contents import ITended as ITended
from pypidaemon.interfaces.indexes import IBarrier as IBarrier
from pypidaemon.interfaces.indexes import IDependent as IDependent
from pypidaemon.interfaces.indexes import IExplaining as IExplaining
from pypidaemon.interfaces.indexes import IHostedIndex as IHostedIndex
from pypidaemon.interfaces.indexes import IIndex as IIndex
from pypidaemon.interfaces.indexes import IInspector as IInspector
from pypidaemon.interfaces.indexes import IKnowing as IKnowing
from pypidaemon.interfaces.indexes import ILocal as ILocal
from pypidaemon.interfaces.indexes import IMeasured as IMeasured
from pypidaemon.interfaces.indexes import ISeenThrough as ISeenThrough
from pypidaemon.interfaces.indexes import ISteady as ISteady
from pypidaemon.interfaces.mirrors import IFillable as IFillable
from pypidaemon.interfaces.mirrors import IMirror as IMirror
from pypidaemon.interfaces.mirrors import IMirroring as IMirroring
from pypidaemon.interfaces.mirrors import IMirrorRecords as IMirrorRecords
from pypidaemon.interfaces.mirrors import IPushing as IPushing
from pypidaemon.interfaces.mirrors import ITurn as ITurn
from pypidaemon.interfaces.people import IAccount as IAccount
from pypidaemon.interfaces.policies import IAgeing as IAgeing
from pypidaemon.interfaces.policies import IChangingPolicy as IChangingPolicy
from pypidaemon.interfaces.policies import ICostlyPolicy as ICostlyPolicy
from pypidaemon.interfaces.policies import IFreezingPolicy as IFreezingPolicy
from pypidaemon.interfaces.policies import IInformant as IInformant
from pypidaemon.interfaces.policies import IInformedPolicy as IInformedPolicy
from pypidaemon.interfaces.policies import IPagePolicy as IPagePolicy
from pypidaemon.interfaces.policies import IPolicy as IPolicy
from pypidaemon.interfaces.policies import IReading as IReading
from pypidaemon.interfaces.policies import IReadying as IReadying
from pypidaemon.interfaces.policies import IRemarkingPolicy as IRemarkingPolicy
from pypidaemon.interfaces.policies import ISamplingPolicy as ISamplingPolicy
from pypidaemon.interfaces.policies import ITimedPolicy as ITimedPolicy
from pypidaemon.interfaces.registers import IDocumentCache as IDocumentCache
from pypidaemon.interfaces.registers import IFetchRecords as IFetchRecords
from pypidaemon.interfaces.registers import IPins as IPins
from pypidaemon.interfaces.registers import IPublisherRecords as IPublisherRecords
from pypidaemon.interfaces.registers import IRulingRecords as IRulingRecords
from pypidaemon.interfaces.registers import IUses as IUses
from pypidaemon.interfaces.registers import IWithdrawnEntries as IWithdrawnEntries
from pypidaemon.interfaces.upstreams import IAttended as IAttended
from pypidaemon.interfaces.upstreams import IBody as IBody
from pypidaemon.interfaces.upstreams import IDating as IDating
from pypidaemon.interfaces.upstreams import IHealth as IHealth
from pypidaemon.interfaces.upstreams import IPlaces as IPlaces
from pypidaemon.interfaces.upstreams import IProbed as IProbed
from pypidaemon.interfaces.upstreams import ISourced as ISourced
from pypidaemon.interfaces.upstreams import IStandIns as IStandIns
from pypidaemon.interfaces.upstreams import IUpstream as IUpstream
from pypidaemon.interfaces.upstreams import IVouched as IVouched
from pypidaemon.interfaces.upstreams import IWhole as IWhole
