// @ts-check
// The settings that the services take while they run, as a form: all that was changed is applied, or nothing of it.

import { element, fetchJson } from './page.js';

/**
 * @typedef {{variable: string, value: string, was: string | null, allowed: string, choices: string[]}} Field
 * @typedef {{service: string, fixed_because: string | null, fields: Field[]}} Settings of one service
 */

const TITLES = new Map([['proxy', 'Proxy'], ['upstream', 'Mock upstream'], ['link', 'Network']]);

/** @param {Field} field */
function input({ variable, value, choices }) {
  if (!choices.length) return element('input', { id: variable, name: variable, value, placeholder: 'unset', autocomplete: 'off', spellcheck: 'false' });
  return element('select', { id: variable, name: variable }, ...choices.map((one) => element('option', { selected: one === value }, one)));
}

/** @param {Field} field */
const box = (field) =>
  element(
    'div',
    {},
    element('label', { for: field.variable, class: field.was === null ? null : 'differs' }, field.variable, field.was === null ? null : ` (.env: ${field.was})`),
    input(field),
    element('p', { class: 'allowed', title: field.allowed }, field.allowed),
  );

/** @param {Settings[]} settings */
function sections(settings) {
  return settings.map(({ service, fixed_because: because, fields }) =>
    element(
      'fieldset',
      { disabled: because !== null },
      element('h2', {}, `${TITLES.get(service) ?? service}: settings`),
      because === null ? null : element('p', { class: 'sentence' }, `These need a restart: ${because}.`),
      element('div', { class: 'fields' }, ...fields.map(box)),
    ),
  );
}

/** The form; it asks for the settings when it is made, and after each change. */
export class SettingsForm {
  /** @param {HTMLFormElement} form */
  constructor(form) {
    this.form = form;
    this.note = element('span', { role: 'status' });
    this.resetting = element('button', { type: 'button', class: 'quiet' }, 'Reset to .env');
    this.resetting.addEventListener('click', () => this.send('services/reset', 'POST', {}));
    form.addEventListener('submit', (event) => {
      event.preventDefault();
      this.send('services/settings.json', 'PUT', this.changes());
    });
  }

  async show() {
    /** @type {{services: Settings[]}} */
    const { services } = await fetchJson('services/settings.json');
    const fields = services.flatMap((one) => one.fields);
    this.shown = new Map(fields.map(({ variable, value }) => [variable, value]));
    this.resetting.disabled = fields.every(({ was }) => was === null);
    const bar = element('div', { class: 'bar' }, element('button', { type: 'submit' }, 'Apply'), this.resetting, this.note);
    this.form.replaceChildren(...sections(services), bar);
  }

  /** What differs from what was shown. */
  changes() {
    const entries = [...new FormData(this.form)].map(([name, value]) => [name, String(value)]);
    return Object.fromEntries(entries.filter(([name, value]) => value.trim() !== this.shown?.get(name)));
  }

  /**
   * @param {string} path
   * @param {string} method
   * @param {Record<string, string>} changes
   */
  async send(path, method, changes) {
    if (method === 'PUT' && !Object.keys(changes).length) return this.say('Nothing was changed.');
    this.say('Applying ...');
    const response = await fetch(new URL(`../${path}`, import.meta.url), { method, body: JSON.stringify(changes) });
    const answer = await response.json().catch(() => ({ mistakes: [`the server answered ${response.status}`], fields: {} }));
    if (response.ok) {
      await this.show();
      return this.say('In force now, until it is reset or ./sandbox run begins.');
    }
    this.mark(answer.fields);
    return this.say(Object.keys(answer.fields).length ? 'Nothing was changed.' : answer.mistakes.join('; '));
  }

  /** @param {Record<string, string>} lines by the names of the fields */
  mark(lines) {
    this.form.querySelectorAll('.mistake').forEach((one) => one.remove());
    for (const [name, line] of Object.entries(lines)) {
      const field = this.form.querySelector(`[name="${name.toUpperCase()}"]`);
      field?.after(element('p', { class: 'mistake', role: 'alert' }, line));
    }
    this.form.querySelector('.mistake')?.scrollIntoView({ block: 'center' });
  }

  /** @param {string} words */
  say(words) {
    this.note.textContent = words;
  }
}
