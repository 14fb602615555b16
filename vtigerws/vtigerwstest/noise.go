package vtigerwstest

// What PHP prints where display_errors is on, before anything else (captures 224-231 of 5.2.1).
const (
	declarationNoise = "<br />\n<b>Warning</b>:  Declaration of Activity::get_full_list($criteria) should be compatible with " +
		"CRMEntity::get_full_list($order_by = '', $where = '') in <b>/var/www/vtigercrm/modules/Calendar/Activity.php</b> on line <b>550</b><br />\n"
	countNoise = "<br />\n<b>Warning</b>:  count(): Parameter must be an array or an object that implements Countable in " +
		"<b>/var/www/vtigercrm/include/database/PearDatabase.php</b> on line <b>460</b><br />\n"
	fatalNoise = "<br />\n<b>Fatal error</b>:  Uncaught Error: Call to a member function getOperationInput() on null in " +
		"<b>/var/www/vtigercrm/webservice.php</b> on line <b>75</b><br />\n"
)

// noise is the warnings of an operation: a braces-free part here, one with brackets in it there, as recorded.
func noise(operation string) string {
	if operation == "getchallenge" {
		return declarationNoise
	}
	return declarationNoise + countNoise
}
