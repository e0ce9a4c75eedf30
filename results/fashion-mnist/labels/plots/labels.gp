# Makes labels.svg and labels.png from labels.csv:  gnuplot labels.gp
set datafile separator comma
set logscale x
set xlabel 'CPU seconds a label (median)'
set ylabel 'Spearman against the reference of the kind (bars: 95 %)'
set grid lc rgb '#e4e4e4' lt 1
set key bottom right
set terminal svg size 760,460 background rgb 'white'
set output 'labels.svg'
plot 'labels.csv' using (strcol(1) eq 'int8' ? $3 : NaN):4:5:6 with yerrorbars pt 7 lc rgb '#0072b2' title 'int8', \
     'labels.csv' using (strcol(1) eq 'fp32' ? $3 : NaN):4:5:6 with yerrorbars pt 7 lc rgb '#d55e00' title 'fp32', \
     'labels.csv' using (strcol(1) eq 'int8' ? $3 : NaN):4:2 with labels offset 0,1 notitle
set terminal pngcairo size 1520,920 fontscale 1.7 linewidth 2 pointscale 2
set output 'labels.png'
replot
set output
