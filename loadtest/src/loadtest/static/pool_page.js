// @ts-check
// The live view on a page of its own: also before the first run, when Locust shows no tabs.

import { LiveView } from './live.js';
import { prefersDark } from './page.js';

document.body.classList.toggle('dark', prefersDark());
const main = document.getElementById('view');
if (main) new LiveView(main).start();
