package engine

// What has been thrown at servers of this kind, and what answers it here: a field of Limits, a Rule, or how the thing is built.
// Behind the bar are the tests that fail if it does not, where there are some of its own; TestRulesEnd and the seeded
// simulations are about all rules. Nothing that is counted costs more for more open streams.
//
// Before there is a connection
//
//	connection flood             Limits.Connections, ConnectionsAddr: reset when accepted | TestAdmission TestConnectionsAreCounted
//	descriptors run out          accepting pauses and goes on | TestDescriptorsRunOut
//	half TLS handshakes          TLSHandshakes, TLSHandshakeTimeout | TestTLSHalfHandshakes
//	octet by octet, no preface   PrefaceTimeout, from accepting to the first SETTINGS | TestForeignSilence TestDeadlineOfEachStage
//	no first SETTINGS            the same | TestDeadlineOfEachStage
//	SETTINGS never acknowledged  SettingsTimeout; limits hold before | TestUnacknowledgedSettings
//	octets that are no HTTP      one read: HTTP/1.1 gets its answer, anything else ends | TestForeignOctets TestForeignRandomOctets
//	HTTP/1.1 connections         HTTPConnections, HeaderTimeout, IdleTimeout | TestHTTP1TooMany TestHTTP1Slow
//	connections without streams  IdleTimeout | TestDeadlineOfEachStage
//
// Frames
//
//	frame too long               judged by its header, no octet of the payload is kept | TestTranscripts
//	unknown types                skipped as they come: RuleGlitch, RuleOverhead | TestRulesEnd
//	length that its type forbids a table comes before everything else | TestCheckTable
//	frames on idle streams       connection error, as RFC 9113 §5.1 has it | TestTranscripts
//	frames on closed streams     no state is kept for any but the last 64 that we reset: RuleGlitch | TestFramesOnManyClosedStreams
//	DATA nobody wants            the connection's credit is returned on receipt, whatever becomes of it | TestUnwantedDataIsCredited
//	window exceeded              stream or connection error; StreamWindow, ConnWindow | TestStreamWindowExceeded TestConnectionWindowExceeded
//	empty DATA                   RuleEmpty; nothing is kept | TestRulesEnd
//	tiny DATA                    valid messages are not counted; parts of messages are: AssemblySize | TestRulesSpareTinyMessages TestAssemblyLimit
//	PING flood                   RulePing; unread answers stop reading: ControlSize | TestRulesEnd TestPeerThatOnlyAsks
//	SETTINGS flood               RuleSettings: frames, and 32 parameters in each | TestRulesEnd TestSettingsWithManyParameters
//	INITIAL_WINDOW_SIZE churn    no stream is visited: a base and deltas | TestInitialWindowSizeVisitsNobody BenchmarkSettings
//	HEADER_TABLE_SIZE 2^32-1     responses use no dynamic table | TestTranscripts
//	MAX_FRAME_SIZE 0 or 2^24     range check; frames of ours are 16 KiB at most | TestSettingCheck TestLargePeerFramesAreNotUsed
//	MAX_HEADER_LIST_SIZE 0       no size of an allocation; answers to handshakes are small and constant | TestServingLargeFields
//	PRIORITY, PRIORITY_UPDATE    no tree, nothing is read: RuleGlitch | TestRulesEnd TestAllocsControl
//	WINDOW_UPDATE flood          RuleWindowUpdate | TestRulesEnd TestRulesSpareEagerCredit
//	WINDOW_UPDATE 0, overflow    on a stream RST_STREAM, RuleFault; on the connection it ends | TestRulesEnd TestTranscripts
//	GOAWAY flood                 RuleGlitch, RuleOverhead; no budget is given up by a GOAWAY | TestAbuseBehindGoAway
//	any mixture of these         each frame that carries nothing has a rule, and its octets RuleOverhead; a read is 64 KiB, and
//	                             less where that takes long, then the others have their turn | TestReadsAreFair
//	answers never read           ControlSize stops reading, WriteTimeout ends it | TestPeerThatOnlyAsks
//	octets behind our GOAWAY     discarded unparsed, for a second | TestNothingIsSaidBehindTheLastGoAway TestPeerThatOnlyTalks
//
// Streams
//
//	rapid reset                  RuleReset counts those that are young; a slot of a handler is free when it has returned, and
//	                             deferred handshakes are as bounded | TestRulesEnd TestHTTPRapidReset TestDeferIsBounded
//	resets that we must send     RuleFault (MadeYouReset), whatever the primitive, also behind the peer's GOAWAY | TestRulesEnd TestAbuseBehindGoAway
//	neighbours of a reset flood  a reset is as much work as opening the stream was; reads are shared as above | TestReadsAreFair
//	beyond MAX_CONCURRENT        REFUSED_STREAM; RuleRefused | TestManyTooMany TestRulesEnd
//	storm of opens               those that stay are served at once: a thousand cost a millisecond; RuleOpen slows churn down
//	                             | TestRulesSpareTrunks TestChurnIsSlowedAndServed
//	stream ids used up           GOAWAY before they are | TestLastStreamIDs
//	ids that go back             connection error | TestTranscripts
//	plain requests               RulePlain refuses them; with Server.HTTP: Requests, RequestsConn, RequestSize, RequestTimeout
//	                             | TestPlainRequestsAreRefused TestServingSlots
//	decisions never made         HandshakeTimeout, PendingHandshakes | TestDeferTimeout TestDeferIsBoundedByServer
//	cross-site WebSockets        same origin unless the application says otherwise | TestSameOrigin
//	:protocol, :authority misused 400 or 501; the protocol's name in any case | TestTranscripts TestMalformedRequests
//
// Field blocks
//
//	CONTINUATION flood           Continuations, HeaderBlockSize, HeaderTimeout: RuleFieldBlock | TestTranscripts
//	empty CONTINUATION, HEADERS  the first of the one, RuleEmpty for the other | TestTranscripts TestEmptyHeaders
//	HPACK bombs, by size         Header.ListSize, ListSizeMax, as decoded | TestBombs
//	HPACK bombs, by number       Header.Fields, FieldsMax, each part of a cookie | TestBombs
//	fields kept for long         nothing of a request outlives the decision | TestResetLetsGoOfEveryString TestIdleSocketSize
//	decompression and churn      RuleFields: octets a second | TestFieldsAreSlowed
//	bad HPACK                    connection error; in step whatever is refused | TestBlocksThatDoNotDecode TestFieldBlocksStayInStep
//	malformed requests           400 or RST_STREAM: RuleFault | TestMalformedRequests
//	side channels of compression responses have no dynamic table, and messages are not compressed | by design
//
// WebSockets
//
//	endless fragments            1,024 to a message, empty ones too; MessageTimeout | TestFragmentsDefault TestIncompleteMessages
//	huge messages                MessageSize, before anything is allocated | TestTooBigAllocatesNothing
//	headers that drip            14 octets of state; MessageTimeout; one list a loop | TestIncompleteMessages TestManyIncompleteMessages
//	protocol violations          1002 and 1007, at the first octet that shows it | TestBadFrames TestTextFailsFast TestCloseCodesFromPeer
//	ping flood                   one pong waits; RuleSocketPing closes the socket | TestSocketPingsAreCoalesced TestSocketPingFlood
//	deflate bombs                there is no compression | by design
//
// Peers that do not read
//
//	streams without window       ws.QueueLimits bound what waits, StreamTimeout for how long | TestStarvedStream TestSocketWithoutWindow
//	window octet by octet        less than 1 KiB is not sent unless it ends a message, and moves no deadline | TestNoDribble TestStarvedStream
//	socket that takes nothing    one gather waits; WriteTimeout: RuleStall | TestPeerThatDoesNotRead TestStallOfAWindow
//	socket that takes too little the same: 1 KiB in WriteTimeout. A higher rate would end slow lines, and what waits for them is
//	                             bounded | TestStallMovesWithProgress
//	topics with such members     a connection is a position in a log: LogSize | TestTopicOfAPeerThatDoesNotRead
//	all of them together         MemorySize: Overload | TestOverloadRefusesStreams TestMemoryHeldIsTheHeap
//
// Trouble of our own
//
//	callbacks that panic         1011, and the loop lives | TestPanics
//	callbacks that block         BlockTime: logged with the stack; deadlines do not count the time | TestBlockedLoop TestClock
//	a trunk that is lost         4,096 streams a turn | TestManySocketsLostAtOnce TestTrunkIsLostInTurns
//	a machine that sleeps        as a callback that blocks | TestClock
