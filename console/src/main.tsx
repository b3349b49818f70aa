/** Start of the console. */
import { render } from 'preact';
import { App } from './app';
import { loadLanguage } from './i18n';
import { takeOverLinks } from './router';
import { askSession } from './session';
import { applyTheme, settings } from './settings';
import './styles/tokens.css';
import './styles/base.css';
import './styles/parts.css';
import './styles/map.css';
import './styles/pages.css';

applyTheme();
takeOverLinks();
// A login link asks for itself who is logged in, once it is used up.
if (!(window.location.pathname === '/login' && window.location.hash.includes('token='))) void askSession();
const root = document.getElementById('app');
// Words first, so that no page is seen in two languages.
void loadLanguage(settings.get().language)
  .catch(() => undefined)
  .then(() => root && render(<App />, root));
