package doctor

// A Code names a kind of finding.
type Code string

// The codes. CONFIGURATION.md explains them.
const (
	fileError           Code = "file-error"
	ipvsMissing         Code = "ipvs-missing"
	schedulerMissing    Code = "scheduler-missing"
	noNetAdmin          Code = "no-net-admin"
	noBindService       Code = "no-bind-service"
	forwardingOff       Code = "forwarding-off"
	vipMissing          Code = "vip-missing"
	vipElsewhere        Code = "vip-elsewhere"
	vipTwice            Code = "vip-twice"
	linkMissing         Code = "link-missing"
	portTaken           Code = "port-taken"
	realNoRoute         Code = "real-no-route"
	gateBeyondRouter    Code = "gate-beyond-router"
	conntrackFull       Code = "conntrack-full"
	otherDirector       Code = "other-director"
	ipvsInTheWay        Code = "ipvs-in-the-way"
	fileWarning         Code = "file-warning"
	fileWaiting         Code = "file-waiting"
	programWritable     Code = "program-writable"
	noNetRaw            Code = "no-net-raw"
	expireNodestConn    Code = "expire-nodest-conn"
	expireTemplate      Code = "expire-quiescent-template"
	connReuseMode       Code = "conn-reuse-mode"
	sendRedirects       Code = "send-redirects"
	acceptLocal         Code = "accept-local"
	realRefuses         Code = "real-refuses"
	realSilent          Code = "real-silent"
	checkCertificate    Code = "check-certificate"
	checkFails          Code = "check-fails"
	checkWarning        Code = "check-warning"
	tunnelMTU           Code = "tunnel-mtu"
	conntrackSmall      Code = "conntrack-small"
	localPortsFew       Code = "local-ports"
	twReuse             Code = "tw-reuse"
	ipvsTimeout         Code = "ipvs-timeout"
	descriptorsFew      Code = "descriptors"
	clockCertificates   Code = "clock-certificates"
	foreignService      Code = "foreign-service"
	proxyInstead        Code = "proxy-instead"
	settingPending      Code = "setting-pending"
	vipStandby          Code = "vip-standby"
	clockUnsynchronised Code = "clock-unsynchronised"
	foreignTable        Code = "foreign-table"
	notExamined         Code = "not-examined"
)

// severityOf has all codes.
var severityOf = map[Code]Severity{
	fileError: Error, ipvsMissing: Error, schedulerMissing: Error, noNetAdmin: Error, noBindService: Error,
	forwardingOff: Error, vipMissing: Error, vipElsewhere: Error, vipTwice: Error, linkMissing: Error,
	portTaken: Error, realNoRoute: Error, gateBeyondRouter: Error, conntrackFull: Error, otherDirector: Error,
	ipvsInTheWay: Error,

	fileWarning: Warning, fileWaiting: Warning, programWritable: Warning, noNetRaw: Warning,
	expireNodestConn: Warning, expireTemplate: Warning, connReuseMode: Warning, sendRedirects: Warning,
	acceptLocal: Warning, realRefuses: Warning, realSilent: Warning, checkCertificate: Warning,
	checkFails: Warning, checkWarning: Warning, tunnelMTU: Warning, conntrackSmall: Warning,
	localPortsFew: Warning, twReuse: Warning, ipvsTimeout: Warning, descriptorsFew: Warning,
	clockCertificates: Warning, foreignService: Warning,

	proxyInstead: Note, settingPending: Note, vipStandby: Note, clockUnsynchronised: Note, foreignTable: Note,
	notExamined: Note,
}
