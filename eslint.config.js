import js from '@eslint/js';
import globals from 'globals';

export default [
  { ignores: ['node_modules/', '.venv/', '.sandbox/'] },
  js.configs.recommended,
  {
    languageOptions: { ecmaVersion: 2023, globals: { ...globals.browser, Plotly: 'readonly' } },
    rules: { eqeqeq: 'error', 'no-var': 'error', 'prefer-const': 'error', 'no-console': 'error' },
  },
];
