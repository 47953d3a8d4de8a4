// Everything works without this file. With it, passwords can be shown, a form is not sent twice by
// a double click, and the focus goes to the summary of errors.
import { initAll } from './govuk-frontend-6.3.0.min.js'

document.body.classList.add('js-enabled', 'govuk-frontend-supported')
initAll()
