for (const button of document.querySelectorAll("button[data-save]")) {
  button.hidden = false;
  button.addEventListener("click", () => {
    const drawn = [...button.closest("figure").querySelectorAll("svg")];
    const shown = drawn.find((one) => one.getBoundingClientRect().width > 0);
    const text = new XMLSerializer().serializeToString(shown)
      .replace(/var\(--\w+, (#\w+)\)/g, "$1").replaceAll("currentColor", "#1c1e22");
    const link = document.createElement("a");
    link.href = URL.createObjectURL(new Blob([text], { type: "image/svg+xml" }));
    link.download = button.dataset.save + ".svg";
    link.click();
    setTimeout(() => URL.revokeObjectURL(link.href), 1000);
  });
}
