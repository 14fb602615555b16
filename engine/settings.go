package engine

import (
	"fmt"
	"net/url"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"cartiger/problem"
)

// Settings is everything a person can set, read in this order: environment, state file, default.
type Settings map[string]string

// Names of the settings. The two keys are secret: they are never listed, logged or printed.
const (
	ShopURL         = "shop.url"
	ShopKey         = "shop.key"
	ShopCA          = "shop.ca-file"
	ShopPlainKey    = "shop.key-in-url"
	CRMURL          = "crm.url"
	CRMUser         = "crm.user"
	CRMKey          = "crm.key"
	CRMCA           = "crm.ca-file"
	CRMOwner        = "crm.owner"
	CRMWorkers      = "crm.workers"
	CreateAccount   = "order.create-account"
	CreatePotential = "order.create-potential"
	OrderPrefix     = "order.prefix"
	PotentialPrefix = "potential.prefix"
	SharedAccount   = "order.shared-account"
	OrderKeyField   = "order.key-field"
	MissingProduct  = "order.missing-product"
	PromotedLead    = "lead.after-promotion"
	StatusNames     = "states.names"
	ProductEdits    = "watch.product-edits"
	CustomerEdits   = "watch.customer-edits"
	AddressEdits    = "watch.address-edits"
	WatchInterval   = "watch.interval"
)

// Setting describes one setting: its kind, default and rule in words.
type Setting struct {
	Name    string
	Env     string // environment variable that overrides it
	Default string
	Secret  bool
	Meaning string
	Rule    string              // what is allowed, for people
	Choices []string            // for a setting with few values
	check   func(string) string // "" or what is wrong
}

var prefixShape = regexp.MustCompile(`^[A-Za-z0-9#\[\]_-][A-Za-z0-9 #\[\]_-]*$`)

// PrefixRule is the rule of the two prefixes in words (rules.md 6).
const PrefixRule = "letters a-z A-Z without accents, digits, space and # [ ] _ -, not starting with a space"

// PrefixRune says whether a rune may stand at a position of a prefix; the console refuses others at the key.
func PrefixRune(r rune, first bool) bool {
	switch {
	case r >= 'a' && r <= 'z', r >= 'A' && r <= 'Z', r >= '0' && r <= '9', strings.ContainsRune("#[]_-", r):
		return true
	case r == ' ':
		return !first
	}
	return false
}

func checkPrefix(v string) string {
	// 80 leaves room for the number in vtiger's subject of 100 characters (wire/vtiger.md 5).
	if len(v) > 80 {
		return "longer than 80 characters"
	}
	if v != "" && !prefixShape.MatchString(v) {
		return "holds a character that is not allowed"
	}
	return ""
}

func checkURL(v string) string {
	if v == "" {
		return ""
	}
	u, err := url.Parse(v)
	switch {
	case err != nil:
		return "is not a URL"
	case u.Scheme != "http" && u.Scheme != "https":
		return "does not start with http:// or https://"
	case strings.ContainsFunc(v, unicode.IsSpace):
		return "holds a blank"
	case u.Host == "":
		return "names no host"
	case u.User != nil:
		return "must not carry a user name or password"
	case u.Query().Has("ws_key"):
		return "must not carry the key, which has a setting of its own"
	}
	return ""
}

func checkShopKey(v string) string {
	if v != "" && len(v) != 32 {
		return fmt.Sprintf("has %d characters; a PrestaShop web service key has 32", len(v))
	}
	return ""
}

func checkWorkers(v string) string {
	if n, err := strconv.Atoi(v); err != nil || n < 0 || n > 16 {
		return "is not a number from 0 (adapt) to 16"
	}
	return ""
}

func checkOwner(v string) string {
	if v != "" && !recordID.MatchString(v) {
		return "is not an id such as 19x5"
	}
	return ""
}

// checkName: vtiger's account names have 100 characters at most.
func checkName(v string) string {
	if n := utf8.RuneCountInString(v); n == 0 || n > 100 || strings.TrimSpace(v) != v {
		return "is no name"
	}
	return ""
}

func checkInterval(v string) string {
	if d, err := time.ParseDuration(v); err != nil || d < time.Second || d > 24*time.Hour {
		return "is not a duration such as 10s or 5m"
	}
	return ""
}

var onOff = []string{"on", "off"}

// SettingsList is every setting in the order people read them.
func SettingsList() []Setting {
	return []Setting{
		{Name: ShopURL, Env: "CARTIGER_SHOP_URL", Meaning: "address of the shop's front page", Rule: "http:// or https:// with a host; a sub-folder is fine", check: checkURL},
		{Name: ShopKey, Env: "CARTIGER_SHOP_KEY", Secret: true, Meaning: "web service key of the shop", Rule: "32 characters, from Tools, Web service", check: checkShopKey},
		{Name: ShopCA, Env: "CARTIGER_SHOP_CA_FILE", Meaning: "file with the certificate authority the shop's certificate hangs on"},
		{Name: ShopPlainKey, Env: "CARTIGER_SHOP_KEY_IN_URL", Default: "off", Choices: onOff, Meaning: "send the key in the URL over plain HTTP when the shop's web server drops the Authorization header"},
		{Name: CRMURL, Env: "CARTIGER_CRM_URL", Meaning: "address of the CRM", Rule: "http:// or https:// with a host; a sub-folder is fine", check: checkURL},
		{Name: CRMUser, Env: "CARTIGER_CRM_USER", Meaning: "CRM user whose rights the connector has"},
		{Name: CRMKey, Env: "CARTIGER_CRM_KEY", Secret: true, Meaning: "access key of that user (My Preferences, User Advanced Options)"},
		{Name: CRMCA, Env: "CARTIGER_CRM_CA_FILE", Meaning: "file with the certificate authority the CRM's certificate hangs on"},
		{Name: CRMOwner, Env: "CARTIGER_CRM_OWNER", Meaning: "owner of new records, an id such as 19x5; empty = the CRM user itself", Rule: "a web service id of a user or group, such as 19x5", check: checkOwner},
		{Name: CRMWorkers, Env: "CARTIGER_CRM_WORKERS", Default: "0", Meaning: "CRM sessions that work side by side; 0 adapts to what the CRM's answers show", Rule: "0 to 16", check: checkWorkers},
		{Name: CreateAccount, Env: "CARTIGER_CREATE_ACCOUNT", Default: "on", Choices: onOff, Meaning: "create an Account when an order is placed; off: orders hang on the shared Account"},
		{Name: CreatePotential, Env: "CARTIGER_CREATE_POTENTIAL", Default: "on", Choices: onOff, Meaning: "create a Potential when an order is placed"},
		{Name: OrderPrefix, Env: "CARTIGER_ORDER_PREFIX", Default: "Bon de commande no", Meaning: "text before the shop's order number in the SalesOrder's subject", Rule: PrefixRule, check: checkPrefix},
		{Name: PotentialPrefix, Env: "CARTIGER_POTENTIAL_PREFIX", Default: "Commande boutique no", Meaning: "text before the shop's order number in the Potential's name", Rule: PrefixRule, check: checkPrefix},
		{Name: SharedAccount, Env: "CARTIGER_SHARED_ACCOUNT", Default: "Prestashop", Meaning: "Account that orders hang on when Create Account is off and the Contact has none", Rule: "a name of 1 to 100 characters", check: checkName},
		{Name: OrderKeyField, Env: "CARTIGER_ORDER_KEY_FIELD", Default: "customerno", Choices: []string{"customerno", "vtiger_purchaseorder"}, Meaning: "SalesOrder and Invoice field that carries the shop's key of the order"},
		{Name: MissingProduct, Env: "CARTIGER_MISSING_PRODUCT", Default: "create", Choices: []string{"create", "hold"}, Meaning: "what an order does whose product the CRM lacks"},
		{Name: PromotedLead, Env: "CARTIGER_PROMOTED_LEAD", Default: "keep", Choices: []string{"keep", "recycle"}, Meaning: "what becomes of a Lead whose customer became a Contact where the CRM cannot convert"},
		{Name: StatusNames, Env: "CARTIGER_STATUS_NAMES", Default: "mapped", Choices: []string{"mapped", "shop"}, Meaning: "order status in the CRM: mapped to its list, or the shop's name as it is"},
		{Name: ProductEdits, Env: "CARTIGER_PRODUCT_EDITS", Default: "off", Choices: onOff, Meaning: "watch carries edits of products"},
		{Name: CustomerEdits, Env: "CARTIGER_CUSTOMER_EDITS", Default: "off", Choices: onOff, Meaning: "watch carries edits of customers"},
		{Name: AddressEdits, Env: "CARTIGER_ADDRESS_EDITS", Default: "off", Choices: onOff, Meaning: "watch carries edits of addresses"},
		{Name: WatchInterval, Env: "CARTIGER_WATCH_INTERVAL", Default: "10s", Meaning: "pause between two looks at the shop", Rule: "1s to 24h", check: checkInterval},
	}
}

// FindSetting finds a setting by its name.
func FindSetting(name string) (Setting, bool) {
	all := SettingsList()
	i := slices.IndexFunc(all, func(s Setting) bool { return s.Name == name })
	if i < 0 {
		return Setting{}, false
	}
	return all[i], true
}

// Check says what is wrong with a value: a problem that names the setting, the rule and the cure.
func (s Setting) Check(value string) error {
	wrong := ""
	switch {
	case strings.ContainsFunc(value, func(r rune) bool { return r < ' ' || r == 0x7f }):
		wrong = "holds a control character"
	case s.Choices != nil && !slices.Contains(s.Choices, value):
		wrong = fmt.Sprintf("is %q", value)
	case s.check != nil:
		wrong = s.check(value)
	}
	if wrong == "" {
		return nil
	}
	rule := s.Rule
	if s.Choices != nil {
		rule = "one of " + strings.Join(s.Choices, ", ")
	}
	return &problem.Error{Kind: problem.Invalid, Where: s.Name, Code: "setting", Field: s.Name, Message: wrong, Cure: "Allowed: " + rule + "."}
}

// Get is a setting's value, or its default.
func (s Settings) Get(name string) string {
	if v, ok := s[name]; ok {
		return v
	}
	setting, _ := FindSetting(name)
	return setting.Default
}

// On says whether a setting of the on/off kind is on.
func (s Settings) On(name string) bool { return s.Get(name) == "on" }

// Missing names the settings without which nothing can be connected.
func (s Settings) Missing() []string {
	var missing []string
	for _, name := range []string{ShopURL, ShopKey, CRMURL, CRMUser, CRMKey} {
		if s.Get(name) == "" {
			missing = append(missing, name)
		}
	}
	return missing
}
