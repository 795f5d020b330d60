"""The toolkit of the views: controls, canvas, widget, the kernel's loop, export."""
